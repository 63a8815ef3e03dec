// upload.js - sends a file with progress, which fetch does not tell.

import { problemOf } from "./api.js";

/**
 * POSTs `file` to `path` (relative to /api/v1). onProgress(bytes sent) is called as it goes. Resolves with the answer's
 * JSON; rejects with the Problem, or with an AbortError after signal's abort.
 */
export function upload(path, file, { onProgress, signal }) {
  return new Promise((resolve, reject) => {
    const call = new XMLHttpRequest();
    call.open("POST", `/api/v1${path}`);
    call.setRequestHeader("accept", "application/json");
    call.setRequestHeader("content-type", "application/octet-stream");
    call.upload.addEventListener("progress", (event) => onProgress(event.loaded));
    call.addEventListener("load", () => {
      if (call.status >= 200 && call.status < 300) resolve(JSON.parse(call.responseText));
      else reject(problemOf(call.status, call.statusText, call.responseText));
    });
    call.addEventListener("error", () => reject(problemOf(0, "", "")));
    call.addEventListener("abort", () => reject(new DOMException("stopped", "AbortError")));
    signal.addEventListener("abort", () => call.abort());
    call.send(file);
  });
}
