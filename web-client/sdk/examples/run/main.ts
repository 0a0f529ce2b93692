// Runs the examples against a Stanchion: `?as=react`, `vue` or `element`, `&event=` with the event's id.
import "@stanchion/client/element";
import { createElement, StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { createApp } from "vue";
import { WaitingRoom as ReactRoom } from "../react";
import { WaitingRoom as VueRoom } from "../vue";

const given = new URLSearchParams(location.search);
const eventId = given.get("event") ?? "d0000000-0000-0001-0000-000000000000";
const target = document.getElementById("room")!;
const onTurn = () => location.assign(`/e/${eventId}/seats`);

const views: Record<string, () => void> = {
  react: () => createRoot(target).render(createElement(StrictMode, null, createElement(ReactRoom, { eventId, onTurn }))),
  vue: () => createApp(VueRoom, { eventId, onTurn }).mount(target),
  element: () => {
    const room = document.createElement("stanchion-waiting-room");
    room.setAttribute("event", eventId);
    room.innerHTML = `<a slot="turn" href="/e/${eventId}/seats">Choose your seats</a>`;
    target.append(room);
  },
};
views[given.get("as") ?? "react"]?.();
