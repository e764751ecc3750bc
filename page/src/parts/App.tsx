// The frame of the page: who speaks which language, in which light, and what is shown.
import { useEffect, useState } from "react";
import { key, keyless, models, type Model } from "../api";
import { RUNS, addressOf, placeOf, type Place } from "../place";
import { chats, choices, choose, type Choices, type Theme } from "../remember";
import { door } from "../thread";
import { LANGUAGES, Tongue } from "../words";
import { Chat } from "./Chat";
import { Compare } from "./Compare";
import { Gate } from "./Gate";
import { RunPage } from "./RunPage";
import { Runs } from "./Runs";

const THEMES: Theme[] = ["system", "light", "dark"];
const newName = () => crypto.getRandomValues(new Uint32Array(2)).join("").padStart(12, "0").slice(0, 12);

export function App() {
  const [chosen, setChosen] = useState<Choices>(choices);
  const [place, setPlace] = useState(() => placeOf(location.hash));
  const [fresh, setFresh] = useState(newName); // the conversation that is not begun yet
  const [last, setLast] = useState<Place>({ page: "chat", chat: null, run: null });
  const [served, setServed] = useState<Model[] | null>(null);
  const [trouble, setTrouble] = useState<"key" | "gone" | null>(null);
  const [tries, setTries] = useState(0);
  const words = LANGUAGES[chosen.language];
  door.refused = () => setTrouble("key");

  const change = (part: Partial<Choices>) =>
    setChosen((now) => {
      const next = { ...now, ...part };
      choose(next);
      return next;
    });

  useEffect(() => {
    const moved = () => {
      const next = placeOf(location.hash);
      if (next.page === "chat" && next.chat === null) setFresh((now) => (chats().some((one) => one.id === now) ? newName() : now));
      setPlace(next);
    };
    addEventListener("hashchange", moved);
    addEventListener("popstate", moved);
    return () => {
      removeEventListener("hashchange", moved);
      removeEventListener("popstate", moved);
    };
  }, []);
  useEffect(() => {
    if (place.page === "chat") setLast(place);
  }, [place]);
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

  const link = (to: Place, name: string) => (
    <a href={addressOf(to)} aria-current={place.page === to.page ? "page" : undefined}>
      {name}
    </a>
  );
  const theme = THEMES[(THEMES.indexOf(chosen.theme) + 1) % 3]!;
  return (
    <Tongue value={chosen.language}>
      {place.page === "chat" && (
        <a className="skip" href="#ask" onClick={(event) => (event.preventDefault(), document.getElementById("ask")?.focus())}>
          {words.skip}
        </a>
      )}
      <header className="top">
        <a className="brand" href="#/">
          system<b>2</b>
        </a>
        <nav aria-label={words.pages}>
          {link(place.page === "chat" ? place : last, words.chat)}
          {link(RUNS, words.runs)}
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
            onClick={() => change({ theme })}
          />
        </div>
      </header>
      {trouble === "gone" && <p className="bar" role="alert">{words.gone}</p>}
      {trouble === "key" ? (
        <Gate enter={() => setTries((n) => n + 1)} again={key.get() !== ""} />
      ) : place.page === "runs" ? (
        <Runs place={place} />
      ) : place.page === "run" ? (
        <RunPage key={place.run} run={place.run} list={chosen.list} setList={(list) => change({ list })} />
      ) : place.page === "compare" ? (
        <Compare runs={place.runs} />
      ) : (
        <Chat key={place.chat ?? fresh} chat={place.chat ?? fresh} opened={place.run} served={served ?? []} chosen={chosen} change={change} />
      )}
    </Tongue>
  );
}
