// The frame of the page: who speaks which language, in which light, and what is shown.
import { useEffect, useState } from "react";
import { keyless, models, type Model } from "../api";
import { choices, choose, type Choices, type Theme } from "../remember";
import { LANGUAGES, Tongue } from "../words";
import { Chat } from "./Chat";
import { Compare } from "./Compare";
import { Gate } from "./Gate";
import { RunPage } from "./RunPage";
import { Runs } from "./Runs";

export type Place = { page: "chat" | "runs" } | { page: "run"; run: string } | { page: "compare"; runs: [string, string] };

/** What the part of the address after # names. */
export function placeOf(hash: string): Place {
  const [page, ...names] = hash.replace(/^#\/?/, "").split("/").map(decodeURIComponent);
  if (page === "runs" && names[0]) return { page: "run", run: names[0] };
  if (page === "runs") return { page: "runs" };
  if (page === "compare" && names[0] && names[1]) return { page: "compare", runs: [names[0], names[1]] };
  return { page: "chat" };
}

const THEMES: Theme[] = ["system", "light", "dark"];

export function App() {
  const [chosen, setChosen] = useState<Choices>(choices);
  const [place, setPlace] = useState(() => placeOf(location.hash));
  const [served, setServed] = useState<Model[] | null>(null);
  const [trouble, setTrouble] = useState<"key" | "gone" | null>(null);
  const [tries, setTries] = useState(0);
  const words = LANGUAGES[chosen.language];

  const change = (part: Partial<Choices>) =>
    setChosen((now) => {
      const next = { ...now, ...part };
      choose(next);
      return next;
    });

  useEffect(() => {
    const moved = () => setPlace(placeOf(location.hash));
    addEventListener("hashchange", moved);
    return () => removeEventListener("hashchange", moved);
  }, []);
  useEffect(() => {
    document.documentElement.lang = chosen.language === "zh" ? "zh-CN" : "en";
    document.documentElement.dataset.theme = chosen.theme;
  }, [chosen.language, chosen.theme]);
  useEffect(() => {
    let on = true;
    models().then(
      (list) => on && (setServed(list), setTrouble(null)),
      (error: unknown) => {
        if (!on) return;
        setTrouble(keyless(error) ? "key" : "gone");
        if (!keyless(error)) setTimeout(() => on && setTries((n) => n + 1), 2_000);
      },
    );
    return () => {
      on = false;
    };
  }, [tries]);

  const link = (page: "chat" | "runs", name: string) => (
    <a href={page === "chat" ? "#/" : "#/runs"} aria-current={place.page === page ? "page" : undefined}>
      {name}
    </a>
  );
  return (
    <Tongue value={chosen.language}>
      <a className="skip" href="#ask" onClick={(event) => (event.preventDefault(), document.getElementById("ask")?.focus())}>
        {words.skip}
      </a>
      <header className="top">
        <a className="brand" href="#/">
          system<b>2</b>
        </a>
        <nav>
          {link("chat", words.chat)}
          {link("runs", words.runs)}
        </nav>
        <div className="corner">
          <button onClick={() => change({ language: chosen.language === "en" ? "zh" : "en" })} lang={chosen.language === "en" ? "zh-CN" : "en"}>
            {chosen.language === "en" ? LANGUAGES.zh.language : LANGUAGES.en.language}
          </button>
          <button
            className="theme"
            data-theme={chosen.theme}
            aria-label={words.theme[chosen.theme]}
            title={words.theme[chosen.theme]}
            onClick={() => change({ theme: THEMES[(THEMES.indexOf(chosen.theme) + 1) % 3]! })}
          />
        </div>
      </header>
      {trouble === "gone" && <p className="bar" role="alert">{words.gone}</p>}
      {trouble === "key" ? (
        <Gate enter={() => setTries((n) => n + 1)} again={tries > 0} />
      ) : place.page === "runs" ? (
        <Runs />
      ) : place.page === "run" ? (
        <RunPage run={place.run} list={chosen.list} setList={(list) => change({ list })} />
      ) : place.page === "compare" ? (
        <Compare runs={place.runs} />
      ) : (
        <Chat served={served ?? []} chosen={chosen} change={change} refused={() => setTrouble("key")} />
      )}
    </Tongue>
  );
}
