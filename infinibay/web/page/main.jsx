// GraphiQL with a header. Everything it loads comes from the server that it talks to.

import "./workers.js";

import { explorerPlugin } from "@graphiql/plugin-explorer";
import { pick, useGraphiQL } from "@graphiql/react";
import { GraphiQL, HISTORY_PLUGIN } from "graphiql";
import { TabFocus } from "monaco-editor/esm/vs/editor/browser/config/tabFocus.js";
import { useEffect } from "react";
import { createRoot } from "react-dom/client";

import { examplesPlugin, FIRST } from "./examples.jsx";
import { fetcher } from "./fetcher.js";
import { Header } from "./header.jsx";
import { recall } from "./session.js";
import { storage } from "./storage.js";

const PLUGINS = [examplesPlugin, explorerPlugin({ showAttribution: false }), HISTORY_PLUGIN];
const WIDE = matchMedia("(min-width: 64rem)").matches;

function Page() {
  return (
    <>
      <Header />
      <GraphiQL
        fetcher={fetcher}
        storage={storage}
        plugins={PLUGINS}
        visiblePlugin={WIDE ? examplesPlugin : undefined}
        defaultTabs={[FIRST]}
        defaultEditorToolsVisibility
        isHeadersEditorEnabled={false}
        showPersistHeadersSettings={false}
      >
        <GraphiQL.Logo>
          <></>
        </GraphiQL.Logo>
        <Editors />
      </GraphiQL>
    </>
  );
}

function Editors() {
  const { queryEditor, variableEditor } = useGraphiQL(pick("queryEditor", "variableEditor"));
  useEffect(() => {
    queryEditor?.updateOptions({ wordWrap: "on" });
    variableEditor?.updateOptions({ wordWrap: "on" });
  }, [queryEditor, variableEditor]);
  return null;
}

// Tab leaves the editors as it leaves every other field.
TabFocus.setTabFocusMode(true);
createRoot(document.getElementById("root")).render(<Page />);
recall();
