// What GraphiQL remembers. Its tabs and its history hold whatever was typed, passwords of new machines included, so
// they live as long as the page. Only the chosen theme outlives it.

const LASTING = "graphiql:theme";
// The share of the query's height in that of the variables, at the beginning.
const passing = new Map([["graphiql:secondaryEditorFlex", "1.4"]]);

const placeOf = (key) =>
  key === LASTING
    ? localStorage
    : {
        getItem: (name) => passing.get(name) ?? null,
        setItem: (name, value) => passing.set(name, value),
        removeItem: (name) => passing.delete(name),
      };

export const storage = {
  getItem: (key) => placeOf(key).getItem(key),
  setItem: (key, value) => placeOf(key).setItem(key, value),
  removeItem: (key) => placeOf(key).removeItem(key),
  clear() {
    passing.clear();
    localStorage.removeItem(LASTING);
  },
  get length() {
    return passing.size;
  },
};
