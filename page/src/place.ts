// Where one is, as the part of the address after #: so that Back, Forward and a reload lead there. Knows no part of the page.
export type Place =
  | { page: "chat"; chat: string | null; run: string | null } // without a name: one that is not begun; run: whose search is open
  | { page: "runs"; text: string; state: string; two: string[] }
  | { page: "run"; run: string }
  | { page: "compare"; runs: [string, string] };

export const FRESH: Place = { page: "chat", chat: null, run: null };
export const RUNS: Place = { page: "runs", text: "", state: "", two: [] };

/** What an address names; one that names nothing leads to a new chat. */
export function placeOf(hash: string): Place {
  const [path, query] = hash.replace(/^#\/?/, "").split("?");
  const [page, ...names] = path!.split("/").map(read);
  const asked = new URLSearchParams(query ?? "");
  if (page === "runs" && names[0]) return { page: "run", run: names[0] };
  if (page === "runs")
    return { page: "runs", text: asked.get("q") ?? "", state: asked.get("state") ?? "", two: asked.getAll("with").slice(0, 2) };
  if (page === "compare" && names[0] && names[1]) return { page: "compare", runs: [names[0], names[1]] };
  if (page === "chat" && names[0]) return { page: "chat", chat: names[0], run: names[1] || null };
  return FRESH;
}

export function addressOf(place: Place): string {
  switch (place.page) {
    case "chat":
      return place.chat === null ? "#/" : "#/" + ["chat", place.chat, place.run].filter((name) => name !== null).map(encodeURIComponent).join("/");
    case "runs": {
      const asked = new URLSearchParams();
      if (place.text) asked.set("q", place.text);
      if (place.state) asked.set("state", place.state);
      for (const run of place.two) asked.append("with", run);
      return "#/runs" + (asked.size ? `?${asked}` : "");
    }
    case "run":
      return `#/runs/${encodeURIComponent(place.run)}`;
    case "compare":
      return `#/compare/${place.runs.map(encodeURIComponent).join("/")}`;
  }
}

/** Go there; `instead`: what is shown is the same place, told more exactly, and Back passes it over. */
export function go(place: Place, instead = false): void {
  const address = addressOf(place);
  if (address === location.hash) return;
  if (instead) history.replaceState(null, "", address);
  else history.pushState(null, "", address);
  dispatchEvent(new HashChangeEvent("hashchange"));
}

function read(name: string): string {
  try {
    return decodeURIComponent(name);
  } catch {
    return name; // written by hand
  }
}
