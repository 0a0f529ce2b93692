//! What the pages without script say. Text is escaped by the templates.

use std::time::Duration;

use maud::{DOCTYPE, Markup, html};
use waitingroom::{line::SaleState, problem::Code};

use super::{RELOAD, words::Messages};
use crate::booking_client::EventSummary;

/// Where a guest stands.
pub(super) enum QueueView {
    /// Not in this line.
    NotQueued,
    /// In it; without a position while the line is being rebuilt.
    Waiting {
        position: Option<u64>,
        total: u64,
        wait: Option<Duration>,
    },
    /// In front, with a pass.
    PassReady { left: Duration },
}

impl QueueView {
    /// Those who wait are looked after; nobody else needs the page to move.
    fn reloads(&self, state: SaleState) -> bool {
        match self {
            Self::Waiting { .. } => true,
            Self::PassReady { .. } | Self::NotQueued => state == SaleState::Scheduled,
        }
    }
}

pub(super) fn events(words: &Messages, events: &[EventSummary]) -> Markup {
    let list = html! {
        h1 { (words.events) }
        ul .events {
            @for event in events {
                li { a .card href=(format!("/e/{}?plain", event.event_id)) { strong { (event.name) } " " (words.state(event.state)) } }
            }
        }
    };
    frame(words, words.events, None, &list)
}

/// `still` is asked for by people whom a page that reloads under their hands disturbs.
pub(super) fn event(
    words: &Messages,
    event: &EventSummary,
    here: &QueueView,
    still: bool,
) -> Markup {
    let moves = here.reloads(event.state);
    let body = html! {
        h1 { (event.name) }
        @if let Some(message) = &event.message { p .notice { (message) } }
        @match here {
            QueueView::NotQueued => (door(words, event)),
            QueueView::Waiting { position, total, wait } => (in_line(words, event, *position, *total, *wait)),
            QueueView::PassReady { left } => (turn(words, event, *left)),
        }
        p {
            @if moves && still { a href="?plain" { (words.moving) } " · " }
            @else if moves { a href="?plain&still" { (words.still) } " · " }
            a href="/?plain" { (words.events) }
        }
    };
    let reload = (moves && !still).then_some(RELOAD);
    frame(words, &event.name, reload, &body)
}

fn door(words: &Messages, event: &EventSummary) -> Markup {
    let joinable = !matches!(event.state, SaleState::Scheduled | SaleState::Closed);
    html! {
        section .card {
            p { (words.state(event.state)) }
            p .hint { (words.door) }
            @if joinable { (button(event, "join", words.join, "big")) }
        }
    }
}

fn in_line(
    words: &Messages,
    event: &EventSummary,
    position: Option<u64>,
    total: u64,
    wait: Option<Duration>,
) -> Markup {
    html! {
        section .card .place {
            h2 { (words.in_line) }
            p .hint { (words.position) }
            @if let Some(position) = position {
                p .position { (position) }
                p { (words.of) " " (total) }
            } @else {
                p .position { "…" }
                p { (words.counting) }
            }
            @if event.state != SaleState::Open { p .standing { (words.state(event.state)) } }
            @else if let Some(wait) = wait { p { (words.wait) " " (minutes(wait)) " " (words.minutes) } }
            p .hint { (words.keep) }
        }
        (button(event, "leave", words.leave, "quiet"))
    }
}

fn turn(words: &Messages, event: &EventSummary, left: Duration) -> Markup {
    html! {
        section .card .turn {
            h2 { (words.turn) }
            p { (words.left) " " strong { (minutes(left)) " " (words.minutes) } }
            p { (words.choose) }
            p { a .button href=(format!("/e/{}", event.event_id)) { (words.seats) } }
        }
        (button(event, "leave", words.leave, "quiet"))
    }
}

pub(super) fn missing(words: &Messages) -> Markup {
    frame(
        words,
        words.missing,
        None,
        &html! { h1 { (words.missing) } p { a href="/?plain" { (words.events) } } },
    )
}

/// For any browser: the way back leads to the page with script, which knows the plain one.
pub(super) fn nowhere(words: &Messages) -> Markup {
    let body = html! { h1 { (words.nowhere) } p { (words.whither) } p { a .button href="/" { (words.events) } } };
    frame(words, words.nowhere, None, &body)
}

pub(super) fn unavailable(words: &Messages) -> Markup {
    frame(
        words,
        words.unavailable,
        Some(RELOAD),
        &html! { h1 { (words.unavailable) } },
    )
}

pub(super) fn refused(words: &Messages, code: Code) -> Markup {
    let text = if code == Code::QueueClosed {
        words.closed
    } else {
        words.unavailable
    };
    frame(
        words,
        text,
        None,
        &html! { h1 { (text) } p { a href="?plain" { (words.events) } } },
    )
}

fn button(event: &EventSummary, act: &str, label: &str, look: &str) -> Markup {
    html! { form method="post" action=(format!("/e/{}/{act}", event.event_id)) { button .(look) type="submit" { (label) } } }
}

/// Rounded up: nobody is told less than they have to wait.
fn minutes(time: Duration) -> u64 {
    time.as_secs().div_ceil(60).max(1)
}

fn frame(words: &Messages, title: &str, reload: Option<Duration>, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang=(words.language) {
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
