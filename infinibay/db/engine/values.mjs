// Types the arguments of a request: the engine's JSON protocol takes most strings as they are and coerces them by
// its schema, but JSON values, SQL's NULL in a JSON column and numbers beyond 2^53 must be marked.
//
// The walk knows where it is (fields of a filter, of a write, of a relation's nested write), because a model may
// have fields that are called `data`, `where`, `create` or `set`.

import { BigInteger } from "./parser.mjs";

const LOGIC = new Set(["AND", "OR", "NOT"]);
const JSON_OPERANDS = new Set([
  "equals", "not", "array_contains", "array_starts_with", "array_ends_with", "lt", "lte", "gt", "gte",
]);
const SOME_RELATED = new Set(["some", "every", "none", "is", "isNot"]);
const DB_NULL = { $type: "Enum", value: "DbNull" };

/** Types requests against one datamodel's `models`. */
export class Typing {
  constructor(models) {
    this.models = models;
  }

  /** The arguments of an action on `model`, at the top of a request or at a selected relation. */
  arguments(model, args) {
    return mapObject(args, (key, value) => {
      switch (key) {
        case "where":
        case "cursor":
        case "having":
          return this.filter(model, value);
        case "data":
        case "create":
        case "update":
          return this.write(model, value);
        default:
          return plain(value);
      }
    });
  }

  filter(model, value) {
    return each(value, (item) =>
      mapObject(item, (key, inner) => {
        if (LOGIC.has(key)) return this.filter(model, inner);
        const field = this.models.get(model).get(key);
        // What is no field is a compound key, which holds fields.
        if (field === undefined) return isObject(inner) ? this.filter(model, inner) : plain(inner);
        return this.models.has(field.type) ? this.relationFilter(field.type, inner) : scalarFilter(field, inner);
      }),
    );
  }

  relationFilter(model, value) {
    if (!isObject(value)) return plain(value);
    const fields = this.models.get(model);
    const relational = Object.keys(value).every((key) => SOME_RELATED.has(key) && !fields.has(key));
    return relational ? mapObject(value, (_key, inner) => this.filter(model, inner)) : this.filter(model, value);
  }

  write(model, value) {
    return each(value, (item) =>
      mapObject(item, (key, inner) => {
        const field = this.models.get(model).get(key);
        if (field === undefined) return plain(inner);
        return this.models.has(field.type) ? this.nestedWrite(field, inner) : scalarWrite(field, inner);
      }),
    );
  }

  nestedWrite(field, value) {
    const model = field.type;
    return mapObject(value, (key, inner) => {
      switch (key) {
        case "create":
          return this.write(model, inner);
        case "connectOrCreate":
        case "createMany":
        case "updateMany":
        case "upsert":
          return each(inner, (item) => this.arguments(model, item));
        case "update":
          return each(inner, (item) => (this.isWrapped(field, item) ? this.arguments(model, item) : this.write(model, item)));
        default:
          return this.filter(model, inner);
      }
    });
  }

  /** An update of a single relation may be the data itself or `{ where, data }`. */
  isWrapped(field, value) {
    if (field.list) return true;
    const fields = this.models.get(field.type);
    return isObject(value) && isObject(value.data) && !fields.has("data");
  }
}

function scalarFilter(field, value) {
  if (field.type !== "Json") return number(field, value);
  if (field.list) return jsonList(value);
  if (!isObject(value)) return json(value);
  return mapObject(value, (key, inner) => {
    if (!JSON_OPERANDS.has(key)) return plain(inner);
    return isObject(inner) ? scalarFilter(field, inner) : json(inner);
  });
}

function scalarWrite(field, value) {
  if (field.type !== "Json") return number(field, value);
  if (field.list) return jsonList(value);
  return isObject(value) ? mapObject(value, (_key, inner) => json(inner)) : json(value);
}

function jsonList(value) {
  if (typeof value !== "string" && !isObject(value) && !Array.isArray(value)) return value;
  if (isObject(value)) return mapObject(value, (_key, inner) => jsonList(inner));
  return Array.isArray(value) ? value.map((item) => (item === null ? null : json(item))) : json(value);
}

/** The client writes `Json(x)` as a string with x's JSON text, and None (SQL's NULL) as null. */
function json(value) {
  if (value === null) return DB_NULL;
  return typeof value === "string" ? { $type: "Json", value } : plain(value);
}

function number(field, value) {
  if (!(value instanceof BigInteger)) return deep(value, (inner) => number(field, inner));
  if (field.type === "Float") return Number(value.text);
  if (field.type === "Decimal") return { $type: "Decimal", value: value.text };
  return { $type: "BigInt", value: value.text };
}

function plain(value) {
  if (value instanceof BigInteger) return { $type: "BigInt", value: value.text };
  return deep(value, plain);
}

function deep(value, inner) {
  if (Array.isArray(value)) return value.map(inner);
  return isObject(value) ? mapObject(value, (_key, item) => inner(item)) : value;
}

function each(value, one) {
  return Array.isArray(value) ? value.map((item) => each(item, one)) : isObject(value) ? one(value) : plain(value);
}

function mapObject(object, one) {
  if (!isObject(object)) return plain(object);
  return Object.fromEntries(Object.entries(object).map(([key, value]) => [key, one(key, value)]));
}

function isObject(value) {
  return value !== null && typeof value === "object" && !Array.isArray(value) && !(value instanceof BigInteger);
}
