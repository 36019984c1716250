// Translates the client's requests into the engine's JSON protocol.

import { parseOperation } from "./parser.mjs";
import { Typing } from "./values.mjs";

const ACTIONS = [
  ["findUnique", "", "findUnique"],
  ["findUnique", "OrThrow", "findUniqueOrThrow"],
  ["findFirst", "", "findFirst"],
  ["findFirst", "OrThrow", "findFirstOrThrow"],
  ["findMany", "", "findMany"],
  ["createOne", "", "createOne"],
  ["createMany", "", "createMany"],
  ["createMany", "AndReturn", "createManyAndReturn"],
  ["updateOne", "", "updateOne"],
  ["updateMany", "", "updateMany"],
  ["upsertOne", "", "upsertOne"],
  ["deleteOne", "", "deleteOne"],
  ["deleteMany", "", "deleteMany"],
  ["aggregate", "", "aggregate"],
  ["groupBy", "", "groupBy"],
];
const RAW = new Set(["queryRaw", "executeRaw"]);

/** Translates requests for one datamodel's `models`. */
export class Translator {
  constructor(models) {
    this.models = models;
    this.typing = new Typing(models);
    // Models may begin or end with an action's words; only the list of models tells what a name means.
    this.operations = new Map();
    for (const model of models.keys()) {
      for (const [prefix, suffix, action] of ACTIONS) {
        this.operations.set(prefix + model + suffix, { modelName: model, action });
      }
    }
  }

  /** The JSON protocol's query for one text. Throws SyntaxError for what cannot be read. */
  query(text) {
    const field = parseOperation(text);
    if (RAW.has(field.name)) {
      return { action: field.name, query: { arguments: field.args ?? {}, selection: {} } };
    }
    const operation = this.operations.get(field.name);
    if (operation === undefined) throw new SyntaxError(`The schema knows no operation ${field.name}`);
    return { ...operation, query: this.selected(operation.modelName, field) };
  }

  selected(model, field) {
    return {
      arguments: model === null ? {} : this.typing.arguments(model, field.args ?? {}),
      selection: this.selection(model, field.selection ?? []),
    };
  }

  selection(model, fields) {
    const entries = fields.map((field) => {
      if (field.args === null && field.selection === null) return [field.name, true];
      const type = this.models.get(model)?.get(field.name)?.type;
      return [field.name, this.selected(this.models.has(type) ? type : null, field)];
    });
    return Object.fromEntries(entries);
  }
}
