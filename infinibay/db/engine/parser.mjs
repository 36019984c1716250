// Parses the client's GraphQL-like text `query { result: findManyUser(where: {...}) { id posts { id } } }`
// into nodes `{ name, args, selection }`.

const BLANK = /[\s,]*/y;
const NAME = /-?[A-Za-z_]\w*/y;
const NUMBER = /-?\d+(\.\d+)?([eE][+-]?\d+)?/y;
const WORDS = new Map([["true", true], ["false", false], ["null", null]]);

/** An integer that a JavaScript number cannot hold; `text` has its digits. */
export class BigInteger {
  constructor(text) {
    this.text = text;
  }
}

/** The one field of the operation. Throws SyntaxError with the position. */
export function parseOperation(text) {
  const parser = new Parser(text);
  parser.name();
  parser.expect("{");
  const field = parser.field();
  parser.expect("}");
  return field;
}

class Parser {
  constructor(text) {
    this.text = text;
    this.at = 0;
  }

  /** The next character that means something. */
  peek() {
    BLANK.lastIndex = this.at;
    BLANK.test(this.text);
    this.at = BLANK.lastIndex;
    return this.text[this.at];
  }

  /** Whether the next character is this one, which is then consumed. */
  took(character) {
    if (this.peek() !== character) return false;
    this.at += 1;
    return true;
  }

  expect(character) {
    if (!this.took(character)) throw this.error(`expected ${character}`);
  }

  error(what) {
    return new SyntaxError(`The request cannot be read at character ${this.at}: ${what}`);
  }

  match(pattern, what) {
    this.peek();
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text);
    if (!found) throw this.error(`expected ${what}`);
    this.at = pattern.lastIndex;
    return found;
  }

  name() {
    return this.match(NAME, "a name")[0];
  }

  field() {
    let name = this.name();
    if (this.took(":")) name = this.name(); // The alias is always `result`, and the answer says so anyway.
    const args = this.took("(") ? this.pairs(")") : null;
    const selection = this.took("{") ? this.fields() : null;
    return { name, args, selection };
  }

  fields() {
    const fields = [];
    while (!this.took("}")) fields.push(this.field());
    return fields;
  }

  pairs(end) {
    const pairs = [];
    while (!this.took(end)) {
      const key = this.name();
      this.expect(":");
      pairs.push([key, this.value()]);
    }
    return Object.fromEntries(pairs);
  }

  value() {
    const next = this.peek();
    if (next === '"') return this.string();
    if (this.took("{")) return this.pairs("}");
    if (this.took("[")) return this.list();
    if ((next >= "0" && next <= "9") || /-\d/.test(this.text.slice(this.at, this.at + 2))) return this.number();
    const word = this.name();
    return WORDS.has(word) ? WORDS.get(word) : word;
  }

  list() {
    const items = [];
    while (!this.took("]")) items.push(this.value());
    return items;
  }

  number() {
    const [text, fraction, exponent] = this.match(NUMBER, "a number");
    const number = Number(text);
    const whole = fraction === undefined && exponent === undefined;
    return whole && !Number.isSafeInteger(number) ? new BigInteger(text) : number;
  }

  string() {
    const end = endOfString(this.text, this.at);
    if (end < 0) throw this.error("a string without end");
    const text = JSON.parse(this.text.slice(this.at, end));
    this.at = end;
    return text;
  }
}

/** The index behind the JSON string that begins at `start`, or -1. */
export function endOfString(text, start) {
  let quote = start;
  for (;;) {
    quote = text.indexOf('"', quote + 1);
    if (quote < 0) return -1;
    let before = quote - 1;
    while (text[before] === "\\") before -= 1;
    if ((quote - before) % 2 === 1) return quote + 1;
  }
}
