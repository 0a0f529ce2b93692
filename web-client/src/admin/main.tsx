// The operators' page is put together here.
import { render } from "preact";
import { App } from "./app";

const root = document.getElementById("app")!;
root.replaceChildren();
render(<App />, root);
