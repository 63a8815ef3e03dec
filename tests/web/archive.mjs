// archive.mjs - a small set of labelled images as people have it: idx files in a tar.

/** A tar (ustar) of {name: bytes}. */
export function tarOf(files) {
  const blocks = [];
  for (const [name, bytes] of Object.entries(files)) {
    const head = Buffer.alloc(512);
    const octal = (at, width, value) => head.write(`${value.toString(8).padStart(width - 1, "0")}\0`, at, "latin1");
    head.write(name, 0, 100, "latin1");
    octal(100, 8, 0o644);
    octal(108, 8, 0);
    octal(116, 8, 0);
    octal(124, 12, bytes.length);
    octal(136, 12, 0);
    head.write("        0", 148, "latin1"); // the checksum counts as blanks; "0": a plain file
    head.write("ustar\x0000", 257, "latin1");
    octal(
      148,
      7,
      head.reduce((sum, byte) => sum + byte, 0),
    );
    blocks.push(head, bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512));
  }
  return Buffer.concat([...blocks, Buffer.alloc(1024)]);
}

function idx(sizes, values) {
  const head = Buffer.alloc(4 + 4 * sizes.length);
  head[2] = 8; // unsigned bytes
  head[3] = sizes.length;
  sizes.forEach((size, i) => head.writeUInt32BE(size, 4 + 4 * i));
  return Buffer.concat([head, Buffer.from(values)]);
}

const SIDE = 12;

/** Stripes across, stripes down, or a full square, somewhere in the image: three classes that a network soon tells apart. */
function image(label, n) {
  const [top, left] = [n % 6, (n * 5) % 6];
  return Array.from({ length: SIDE * SIDE }, (_, i) => {
    const [y, x] = [Math.floor(i / SIDE), i % SIDE];
    const inside = y >= top && y < top + 6 && x >= left && x < left + 6;
    return inside && [y % 2 === 0, x % 2 === 0, true][label] ? 220 : 20;
  });
}

/** 90 images to learn from and 30 to test, of the classes "across", "down" and "full". */
export function shapes() {
  const files = { "classes.txt": Buffer.from("across\ndown\nfull\n") };
  for (const [part, count] of [
    ["train", 90],
    ["t10k", 30],
  ]) {
    const labels = Array.from({ length: count }, (_, n) => n % 3);
    files[`${part}-images-idx3-ubyte`] = idx([count, SIDE, SIDE], labels.flatMap(image));
    files[`${part}-labels-idx1-ubyte`] = idx([count], labels);
  }
  return files;
}
