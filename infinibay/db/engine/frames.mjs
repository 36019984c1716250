// Frames on the Unix socket: length of what follows and the request's number, each 4 bytes with the highest first,
// then the text. A request's text is one line of JSON with what to do, and the body; an answer's text is the body.

const HEAD = 8;

/** Splits what arrives into `[number, text]`. */
export class FrameReader {
  constructor() {
    this.chunks = [];
    this.size = 0;
    this.needed = HEAD;
  }

  *push(chunk) {
    this.chunks.push(chunk);
    this.size += chunk.length;
    while (this.size >= this.needed) {
      const bytes = this.chunks.length === 1 ? this.chunks[0] : Buffer.concat(this.chunks);
      const end = 4 + bytes.readUInt32BE(0);
      const complete = bytes.length >= end;
      if (complete) yield [bytes.readUInt32BE(4), bytes.toString("utf8", HEAD, end)];
      const rest = complete ? bytes.subarray(end) : bytes;
      this.chunks = [rest];
      this.size = rest.length;
      this.needed = complete ? HEAD : end;
    }
  }
}

/** The bytes of one answer. */
export function frame(number, text) {
  const length = Buffer.byteLength(text);
  const bytes = Buffer.allocUnsafe(HEAD + length);
  bytes.writeUInt32BE(4 + length, 0);
  bytes.writeUInt32BE(number, 4);
  bytes.write(text, HEAD);
  return bytes;
}
