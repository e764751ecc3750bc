import { act } from "react";
import { createRoot } from "react-dom/client";
import { expect, it } from "vitest";
import { Markdown } from "../src/parts/Markdown";

(globalThis as { IS_REACT_ACT_ENVIRONMENT?: boolean }).IS_REACT_ACT_ENVIRONMENT = true;

it("leaves what stands as it is while more is written: nothing flickers, and what is selected stays selected", () => {
  const place = document.createElement("div");
  const root = createRoot(place);
  const show = (text: string) => act(() => root.render(<Markdown text={text} />));
  show("# One\n\ntwo **three**\n\nfo");
  const [first, second] = [place.querySelector("h1"), place.querySelector("strong")];
  for (const text of ["# One\n\ntwo **three**\n\nfour", "# One\n\ntwo **three**\n\nfour\n\n- five\n- six"]) {
    show(text);
    expect(place.querySelector("h1")).toBe(first);
    expect(place.querySelector("strong")).toBe(second);
  }
  expect(place.querySelectorAll("li").length).toBe(2);
});
