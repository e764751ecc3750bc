// The page begins.
import { createRoot } from "react-dom/client";
import { App } from "./parts/App";
import "@xyflow/react/dist/base.css";
import "./style/base.css";
import "./style/chat.css";
import "./style/tree.css";
import "./style/runs.css";

createRoot(document.getElementById("root")!).render(<App />);
