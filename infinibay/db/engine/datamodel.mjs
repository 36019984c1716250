// Reads from the text of a Prisma schema what the translation of requests needs:
// the types of the models' fields, and where the datasource's URL comes from.

const BLOCK = /^\s*(model|view|datasource)\s+(\w+)\s*\{/;
const FIELD = /^\s*(\w+)\s+(\w+)(\[\])?\??(?:\s|$)/;

/**
 * `models` maps a model's name to a Map of its fields, each `{ type, list }`;
 * `datasource` is `{ name, env }` or `{ name, url }`.
 */
export function parseDatamodel(text) {
  const models = new Map();
  const datasource = { name: "db" };
  let fields = null;
  let inDatasource = false;
  for (const line of text.split("\n")) {
    const block = BLOCK.exec(line);
    if (block) {
      inDatasource = block[1] === "datasource";
      if (inDatasource) datasource.name = block[2];
      else models.set(block[2], (fields = new Map()));
    } else if (/^\s*\}/.test(line)) {
      fields = null;
      inDatasource = false;
    } else if (fields) {
      const field = FIELD.exec(line);
      if (field) fields.set(field[1], { type: field[2], list: field[3] !== undefined });
    } else if (inDatasource) {
      readUrl(line, datasource);
    }
  }
  return { models, datasource };
}

function readUrl(line, datasource) {
  const url = /^\s*url\s*=\s*(?:env\(\s*"([^"]+)"\s*\)|("(?:[^"\\]|\\.)*"))/.exec(line);
  if (url?.[1]) datasource.env = url[1];
  else if (url) datasource.url = JSON.parse(url[2]);
}
