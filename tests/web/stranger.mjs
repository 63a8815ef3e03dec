// stranger.mjs - a page on another port of the same machine. Ports make no difference to a browser's cookies, SameSite=Strict
// ones neither: whatever else listens here (another program's web page) can make the browser send our session along.

import { createServer } from "node:http";

/** {url, close()}: serves an empty page, from which a test acts as its script would. */
export async function startStranger() {
  const server = createServer((request, response) => {
    response.writeHead(200, { "content-type": "text/html" }).end("<!doctype html><title>stranger</title>");
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}/`,
    close: () =>
      new Promise((resolve) => {
        server.close(resolve);
        server.closeAllConnections();
      }),
  };
}

/** POSTs text by fetch; nothing that a page may do without being asked is left out. */
export const postByScript = (page, url, text) =>
  page.evaluate(
    ([target, body]) =>
      fetch(target, { method: "POST", mode: "no-cors", credentials: "include", body }).then(
        () => "sent",
        (error) => error.message,
      ),
    [url, text],
  );

/** POSTs by a form, which sends its field as plain text: name and value make the document. The page is left by it. */
export const postByForm = (page, url, [name, value]) =>
  page.evaluate(
    ([target, fieldName, fieldValue]) => {
      const form = document.body.appendChild(document.createElement("form"));
      Object.assign(form, { method: "POST", action: target, enctype: "text/plain" });
      const field = form.appendChild(document.createElement("input"));
      Object.assign(field, { name: fieldName, value: fieldValue });
      form.submit();
    },
    [url, name, value],
  );

/** GETs without being able to read the answer, as a picture would. */
export const getBlindly = (page, url) =>
  page.evaluate((target) => fetch(target, { mode: "no-cors", credentials: "include" }).then(() => "sent"), url);

/** Whether the page can read what `url` answers. */
export const canRead = (page, url) =>
  page.evaluate(
    (target) =>
      fetch(target, { credentials: "include" }).then(
        (answer) => answer.ok,
        () => false,
      ),
    url,
  );
