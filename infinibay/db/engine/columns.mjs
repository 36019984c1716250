// What the engine is told about PostgreSQL's column types, and how their texts become its values.

import { createRequire } from "node:module";

const { parse: parseArray } = createRequire(import.meta.url)("postgres-array");

// The engine's numbers for types; an array's is the element's plus 64, except for UUIDs.
const INT32 = 0, INT64 = 1, FLOAT = 2, DOUBLE = 3, NUMERIC = 4, BOOLEAN = 5, TEXT = 7;
const DATE = 8, TIME = 9, DATETIME = 10, JSON_TYPE = 11, BYTES = 13, UUID = 15, ARRAY = 64, UUID_ARRAY = 78;
const VOID = 2278;

const identity = (text) => text;
const number = (text) => Number(text);
const boolean = (text) => text === "t";
const bytes = (text) => Array.from(Buffer.from(text.slice(2), "hex")); // `bytea_output` is hex since PostgreSQL 9.0.
const money = (text) => text.replace(/[^0-9.-]/g, "");

/** A time with offset as the engine reads it: in UTC, without offset. */
function utcDateTime(text) {
  if (text.endsWith("+00")) return text.slice(0, -3);
  const found = /^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)(\.\d+)?([+-]\d\d(?::\d\d)?)$/.exec(text);
  if (!found) return text;
  const [, date, clock, fraction = "", offset] = found;
  const utc = new Date(`${date}T${clock}${offset.length === 3 ? `${offset}:00` : offset}`).toISOString();
  return `${utc.slice(0, 10)} ${utc.slice(11, 19)}${fraction}`;
}

function utcTime(text) {
  const found = /^(\d\d:\d\d:\d\d)(\.\d+)?([+-]\d\d(?::\d\d)?)$/.exec(text);
  return found ? utcDateTime(`2000-01-02 ${text}`).slice(11) : text;
}

// [element's oid, array's oid, engine's type, parser of one text]
const KNOWN = [
  [16, 1000, BOOLEAN, boolean],
  [17, 1001, BYTES, bytes],
  [20, 1016, INT64, identity],
  [21, 1005, INT32, number],
  [23, 1007, INT32, number],
  [26, 1028, INT64, identity],
  [114, 199, JSON_TYPE, identity],
  [3802, 3807, JSON_TYPE, identity],
  [700, 1021, FLOAT, number],
  [701, 1022, DOUBLE, number],
  [790, 791, NUMERIC, money],
  [1700, 1231, NUMERIC, identity],
  [1082, 1182, DATE, identity],
  [1083, 1183, TIME, identity],
  [1266, 1270, TIME, utcTime],
  [1114, 1115, DATETIME, identity],
  [1184, 1185, DATETIME, utcDateTime],
  [2950, 2951, UUID, identity],
  // The rest is text; these are named so that their arrays are known as arrays.
  [18, 1002, TEXT, identity],
  [19, 1003, TEXT, identity],
  [25, 1009, TEXT, identity],
  [142, 143, TEXT, identity],
  [650, 651, TEXT, identity],
  [869, 1041, TEXT, identity],
  [1042, 1014, TEXT, identity],
  [1043, 1015, TEXT, identity],
  [1186, 1187, TEXT, identity],
  [1560, 1561, TEXT, identity],
  [1562, 1563, TEXT, identity],
];

const TYPES = new Map();
const PARSERS = new Map();
for (const [oid, arrayOid, type, parser] of KNOWN) {
  TYPES.set(oid, type);
  TYPES.set(arrayOid, type === UUID ? UUID_ARRAY : type + ARRAY);
  PARSERS.set(oid, parser);
  PARSERS.set(arrayOid, (text) => parseArray(text, parser));
}

/** The engine's type of a column, or undefined for one that has no value. */
export function columnType(oid) {
  return oid === VOID ? undefined : (TYPES.get(oid) ?? TEXT);
}

/** The driver's interface to parsers of texts. */
export const typeParsers = { getTypeParser: (oid) => PARSERS.get(oid) ?? identity };
