//! The templates of pages without script. They escape text.

use std::time::Duration;

use maud::{DOCTYPE, Markup, html};
use waitingroom_domain::{ids::EventId, queue::SaleState};

use super::{RELOAD_INTERVAL, messages::Messages};
use crate::booking_client::{EventSummary, ShowSummary};

/// A guest's state in an event's queue.
pub(super) enum QueueView {
    /// Not in this queue.
    NotQueued,
    /// In the queue; without a position while it is being rebuilt.
    Waiting {
        position: Option<u64>,
        total: u64,
        wait: Option<Duration>,
    },
    /// With a pass.
    PassReady { left: Duration },
}

impl QueueView {
    /// Only a waiting guest, or one that waits for a sale to open, needs the page to reload.
    fn reloads(&self, state: SaleState) -> bool {
        match self {
            Self::Waiting { .. } => true,
            Self::PassReady { .. } | Self::NotQueued => state == SaleState::Scheduled,
        }
    }
}

pub(super) fn events(messages: &Messages, events: &[EventSummary]) -> Markup {
    let list = html! {
        h1 { (messages.events) }
        ul .events {
            @for event in events {
                li {
                    a .card href=(format!("/e/{}?plain", event.event_id)) {
                        strong { (event.name) } " " (messages.state(event.sale()))
                        (place_and_time(event, event.time()))
                    }
                }
            }
        }
    };

    layout(messages, messages.events, None, &list)
}

/// `still` turns reloading off, for users of assistive technology.
pub(super) fn event(
    messages: &Messages,
    event: &EventSummary,
    view: &QueueView,
    still: bool,
) -> Markup {
    let reloads = view.reloads(event.state);
    let body = html! {
        h1 { (event.name) }
        @if let Some(place) = event.place() { p .hint { (place) } }
        @if !event.shows.is_empty() { ul .shows { @for show in &event.shows { li { (show_line(event, show)) } } } }
        @if let Some(message) = &event.message { p .notice { (message) } }
        @match view {
            QueueView::NotQueued => (event_intro(messages, event)),
            QueueView::Waiting { position, total, wait } => (waiting(messages, event, *position, *total, *wait)),
            QueueView::PassReady { left } => (pass_ready(messages, event, *left)),
        }
        p {
            @if reloads && still { a href="?plain" { (messages.resume_reloading) } " · " }
            @else if reloads { a href="?plain&still" { (messages.stop_reloading) } " · " }
            a href="/?plain" { (messages.events) }
        }
    };

    let reload = (reloads && !still).then_some(RELOAD_INTERVAL);
    layout(messages, &event.name, reload, &body)
}

/// In a line of its own, if it is known.
fn place_and_time(event: &EventSummary, time: Option<String>) -> Markup {
    let known: Vec<String> = [event.place(), time].into_iter().flatten().collect();
    html! { @if !known.is_empty() { br; small { (known.join(" · ")) } } }
}

fn show_line(event: &EventSummary, show: &ShowSummary) -> Markup {
    html! { strong { (show.name) } @if let Some(time) = event.time_of(show) { " " (time) } }
}

fn event_intro(messages: &Messages, event: &EventSummary) -> Markup {
    let joinable = matches!(event.sale(), SaleState::Open | SaleState::Paused);
    html! {
        section .card {
            p { (messages.state(event.sale())) }
            p .hint { (messages.intro) }
            @if joinable { (action_form(event, "join", messages.join, "big")) }
        }
    }
}

fn waiting(
    messages: &Messages,
    event: &EventSummary,
    position: Option<u64>,
    total: u64,
    wait: Option<Duration>,
) -> Markup {
    html! {
        section .card .place {
            h2 { (messages.waiting) }
            p .hint { (messages.position) }
            @if let Some(position) = position {
                p .position { (position) }
                p { (messages.of_total) " " (total) }
            } @else {
                p .position { "…" }
                p { (messages.counting) }
            }
            @if event.sale() != SaleState::Open { p .standing { (messages.state(event.sale())) } }
            @else if let Some(wait) = wait { p { (messages.expected_wait) " " (minutes(wait)) " " (messages.minutes) } }
            p .hint { (messages.keep_page_open) }
        }
        (action_form(event, "leave", messages.leave, "quiet"))
    }
}

fn pass_ready(messages: &Messages, event: &EventSummary, left: Duration) -> Markup {
    html! {
        section .card .turn {
            h2 { (messages.pass_ready) }
            p { (messages.time_left) " " strong { (minutes(left)) " " (messages.minutes) } }
            p { (messages.choose_seats_hint) }
            p { a .button href=(format!("/e/{}", event.event_id)) { (messages.choose_seats) } }
        }
        (action_form(event, "leave", messages.leave, "quiet"))
    }
}

pub(super) fn event_not_found(messages: &Messages) -> Markup {
    layout(
        messages,
        messages.event_not_found,
        None,
        &html! { h1 { (messages.event_not_found) } p { a href="/?plain" { (messages.events) } } },
    )
}

/// Bookings are shown by the page with script only.
pub(super) fn bookings(messages: &Messages) -> Markup {
    let body = html! {
        h1 { (messages.bookings) }
        p { (messages.bookings_hint) }
        p { a .button href="/?plain" { (messages.events) } }
    };
    layout(messages, messages.bookings, None, &body)
}

pub(super) fn queue_closed(messages: &Messages, event: EventId) -> Markup {
    let text = messages.queue_closed;
    let back = format!("/e/{event}?plain");
    let body = html! { h1 { (text) } p { a href=(back) { (messages.back) } } };
    layout(messages, text, None, &body)
}

fn action_form(event: &EventSummary, action: &str, label: &str, class: &str) -> Markup {
    html! { form method="post" action=(format!("/e/{}/{action}", event.event_id)) { button .(class) type="submit" { (label) } } }
}

/// Rounded up, so that the wait is not understated.
fn minutes(time: Duration) -> u64 {
    time.as_secs().div_ceil(60).max(1)
}

fn layout(messages: &Messages, title: &str, reload: Option<Duration>, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang=(messages.language) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="referrer" content="same-origin"; // with none at all, browsers hide from us whose form it was
                title { (title) }
                link rel="stylesheet" href="/plain.css";
                @if let Some(reload) = reload { meta http-equiv="refresh" content=(reload.as_secs()); }
            }
            body { main { (body) } }
        }
    }
}
