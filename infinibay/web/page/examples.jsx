// The saved queries: a panel beside the editor, one tab for each that was opened.

import { pick, useGraphiQL, useGraphiQLActions } from "@graphiql/react";

import text from "./examples.graphql";

// Before each stand two comments: its title, and what it does.
const EXAMPLES = text
  .trim()
  .split(/\n\n(?=# )/)
  .map((example) => {
    const [, title, description, query, kind, name] = example.match(/^# (.*)\n# (.*)\n((\w+) (\w+)[^]*)$/);
    return { title, description, query, kind, name };
  });

export const FIRST = { query: EXAMPLES.find((one) => one.name === "ListMachines").query };

// The machine created last, which the others then speak of.
let machine = "";

export function learn(result) {
  machine = result.data?.createMachine?.id ?? machine;
}

export const examplesPlugin = { title: "Examples", icon: Icon, content: Panel };

function Panel() {
  const { tabs, queryEditor, variableEditor } = useGraphiQL(pick("tabs", "queryEditor", "variableEditor"));
  const { addTab, changeTab, setVisiblePlugin, stop } = useGraphiQLActions();

  function open({ name, query }) {
    // A subscription would go on into the new tab.
    stop();
    const known = tabs.findIndex((tab) => tab.title === name);
    if (known === -1) {
      addTab();
    } else {
      changeTab(known);
    }
    queryEditor.setValue(query);
    variableEditor.setValue(variablesOf(query));
    if (matchMedia("(max-width: 48rem)").matches) {
      setVisiblePlugin(null);
    }
  }

  return (
    <section className="examples" aria-label="Examples">
      <h2>Examples</h2>
      <p>They speak of the machine that you created last.</p>
      <ol>
        {EXAMPLES.map((example) => (
          <li key={example.name}>
            <button type="button" onClick={() => open(example)} disabled={!queryEditor || !variableEditor}>
              <span className="title">{example.title}</span>
              <span className={`kind ${example.kind}`}>{example.kind}</span>
              <span className="description">{example.description}</span>
            </button>
          </li>
        ))}
      </ol>
    </section>
  );
}

// The variables that a query declares, as JSON.
function variablesOf(query) {
  const values = {
    email: "",
    password: "",
    id: machine || null,
    input: {
      name: "first",
      os: "UBUNTU",
      username: "me",
      password: newPassword(),
      customCores: 1,
      customRam: 2,
      customStorage: 20,
      applications: [],
      firstBootScripts: [],
    },
  };
  const declared = [...query.matchAll(/\$(\w+): \w+(!?)/g)].map(([, name, must]) => [
    name,
    values[name] ?? (must ? "" : null),
  ]);
  return declared.length ? JSON.stringify(Object.fromEntries(declared), null, 2) : "";
}

// A new one each time, so that no machine gets a password that stands in an example.
function newPassword() {
  const letters = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";
  return [...crypto.getRandomValues(new Uint32Array(16))].map((number) => letters[number % letters.length]).join("");
}

function Icon() {
  return (
    <svg viewBox="0 0 24 24" fill="none" stroke="currentColor" strokeWidth="1.5" aria-hidden="true">
      <path d="M6 3.5h12A1.5 1.5 0 0 1 19.5 5v15.5L12 16l-7.5 4.5V5A1.5 1.5 0 0 1 6 3.5z" />
    </svg>
  );
}
