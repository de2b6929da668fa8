// The frame around all pages: navigation, palette, keys, sign-in, theme, and whether the server answers.
import { signal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { isOnline, me, signOut } from "./api";
import { startKeys } from "./keys";
import { offered, placeAt, type Place } from "./pages";
import { HelpDialog, Palette, isHelpOpen, openPalette } from "./palette";
import { ActDialog } from "./parts";
import { path } from "./router";
import { SignIn } from "./signin";
import { nextTheme, theme } from "./theme";

const isMenuOpen = signal(false);

function Navigation(): JSX.Element {
  const groups = new Map<string, Place[]>();
  for (const place of offered()) groups.set(place.group!, [...(groups.get(place.group!) ?? []), place]);
  const now = path.value;
  return (
    <nav id="navigation" class={isMenuOpen.value ? "open" : ""} aria-label="Pages">
      {[...groups].map(([group, places]) => (
        <div key={group}>
          {group ? <h2>{group}</h2> : null}
          <ul>
            {places.map((place) => {
              const isHere = place.path === "/" || place.path === "/broker" ? now === place.path : now === place.path || now.startsWith(place.path + "/");
              return (
                <li key={place.path}>
                  <a href={place.path} aria-current={isHere ? "page" : undefined}>
                    {group === "Broker" && place.path === "/broker" ? "Rates and totals" : place.title}
                  </a>
                </li>
              );
            })}
          </ul>
        </div>
      ))}
    </nav>
  );
}

function Top(): JSX.Element {
  return (
    <header class="top">
      <button type="button" class="quiet menu" aria-label="Pages" aria-expanded={isMenuOpen.value} aria-controls="navigation" onClick={() => (isMenuOpen.value = !isMenuOpen.value)}>☰</button>
      <a class="brand" href="/"><span aria-hidden="true">╱</span> Baton</a>
      <button type="button" class="jump" onClick={openPalette}>
        <span>Search or go to …</span> <kbd>Ctrl K</kbd>
      </button>
      <span class="grow" />
      <button type="button" class="quiet" onClick={nextTheme} aria-label={`Colours: ${theme.value}. Change`} title={`Colours: ${theme.value}`}>
        <span aria-hidden="true">{theme.value === "system" ? "◐" : theme.value === "dark" ? "●" : "○"}</span>
      </button>
      <button type="button" class="quiet" onClick={() => (isHelpOpen.value = true)} aria-label="Keys">?</button>
      <span class="who">{me.value?.user}</span>
      <button type="button" class="quiet" onClick={() => void signOut()}>Sign out</button>
    </header>
  );
}

function Content(): JSX.Element {
  const here = path.value;
  const found = placeAt(here);
  const main = useRef<HTMLElement>(null);
  const isFirst = useRef(true);
  useEffect(() => {
    isMenuOpen.value = false;
    const heading = main.current?.querySelector("h1")?.textContent;
    document.title = (found ? (Object.values(found.at).at(-1) ?? heading ?? found.place.title) : "Not found") + " · Baton";
    if (!isFirst.current) main.current?.focus({ preventScroll: true });
    isFirst.current = false;
  }, [here]);
  const View = found?.place.view;
  return (
    <main ref={main} tabIndex={-1}>
      {!isOnline.value ? <p class="banner" role="status">The server does not answer. What you see is what it said last.</p> : null}
      {View ? <View key={here} at={found.at} /> : (
        <>
          <h1>Nothing lives here</h1>
          <p>There is no page at <code>{here}</code>. <a href="/">Overview</a></p>
        </>
      )}
    </main>
  );
}

export function Shell(): JSX.Element {
  useEffect(startKeys, []);
  if (me.value === undefined) return <p class="dim loading" aria-busy="true">{isOnline.value ? "" : "The server does not answer."}</p>;
  if (me.value === null) return <SignIn />;
  return (
    <>
      <a class="skip" href={path.value} onClick={(event) => { event.preventDefault(); document.querySelector("main")?.focus(); }}>To the content</a>
      <Top />
      <div class="frame">
        <Navigation />
        <Content />
      </div>
      <Palette />
      <HelpDialog />
      <ActDialog />
    </>
  );
}
