//! The texts of pages without script, in the language that the browser prefers.

use axum::http::HeaderMap;
use waitingroom_domain::queue::SaleState;
use waitingroom_server::http::preferred_language;

/// The texts of one language.
pub(super) struct Messages {
    pub(super) language: &'static str,
    pub(super) events: &'static str,
    pub(super) intro: &'static str,
    pub(super) join: &'static str,
    pub(super) waiting: &'static str,
    pub(super) position: &'static str,
    pub(super) of_total: &'static str,
    pub(super) counting: &'static str,
    pub(super) expected_wait: &'static str,
    pub(super) minutes: &'static str,
    pub(super) keep_page_open: &'static str,
    pub(super) stop_reloading: &'static str,
    pub(super) resume_reloading: &'static str,
    pub(super) leave: &'static str,
    pub(super) pass_ready: &'static str,
    pub(super) time_left: &'static str,
    pub(super) choose_seats_hint: &'static str,
    pub(super) choose_seats: &'static str,
    pub(super) event_not_found: &'static str,
    pub(super) queue_closed: &'static str,
    pub(super) back: &'static str,
    pub(super) bookings: &'static str,
    pub(super) bookings_hint: &'static str,
    states: fn(SaleState) -> &'static str,
}

impl Messages {
    pub(super) fn state(&self, state: SaleState) -> &'static str {
        (self.states)(state)
    }
}

static ENGLISH: Messages = Messages {
    language: "en",
    events: "All events",
    intro: "Take a place in the line. It stays yours while this page is open: it reloads by itself.",
    join: "Join the line",
    waiting: "You are in line",
    position: "Your position",
    of_total: "of",
    counting: "The line is being counted. Your place is kept.",
    expected_wait: "Expected wait: about",
    minutes: "min",
    keep_page_open: "This page reloads by itself and keeps your place.",
    stop_reloading: "Stop reloading",
    resume_reloading: "Reload automatically",
    leave: "Leave the line",
    pass_ready: "It is your turn",
    time_left: "Time to choose:",
    choose_seats_hint: "Choosing seats needs JavaScript. Allow it in this browser and go on: your turn is kept.",
    choose_seats: "Choose seats",
    event_not_found: "There is no such event",
    queue_closed: "The line is not open",
    back: "Back to the event",
    bookings: "My bookings",
    bookings_hint: "Bookings are shown with JavaScript only. Allow it in this browser: all bookings are kept.",
    states: |state| match state {
        SaleState::Open => "On sale",
        SaleState::Paused => "Paused. Every place is kept.",
        SaleState::SoldOut => "Sold out. There are no seats left to sell.",
        SaleState::Closed => "This sale is over.",
        _ => "Not open yet. This page notices when it opens.",
    },
};

static THAI: Messages = Messages {
    language: "th",
    events: "อีเวนต์ทั้งหมด",
    intro: "รับที่ของคุณในคิว ที่นี้เป็นของคุณตราบที่เปิดหน้านี้ไว้ หน้านี้จะโหลดใหม่เอง",
    join: "เข้าคิว",
    waiting: "คุณอยู่ในคิวแล้ว",
    position: "ลำดับของคุณ",
    of_total: "จากทั้งหมด",
    counting: "กำลังนับคิวใหม่ ที่ของคุณยังอยู่",
    expected_wait: "เวลารอโดยประมาณ",
    minutes: "นาที",
    keep_page_open: "หน้านี้จะโหลดใหม่เองและเก็บที่ของคุณไว้",
    stop_reloading: "หยุดโหลดใหม่",
    resume_reloading: "โหลดใหม่อัตโนมัติ",
    leave: "ออกจากคิว",
    pass_ready: "ถึงคิวของคุณแล้ว",
    time_left: "เวลาสำหรับเลือก:",
    choose_seats_hint: "การเลือกที่นั่งต้องใช้ JavaScript โปรดอนุญาตในเบราว์เซอร์นี้แล้วไปต่อ คิวของคุณยังอยู่",
    choose_seats: "เลือกที่นั่ง",
    event_not_found: "ไม่พบอีเวนต์นี้",
    queue_closed: "คิวไม่ได้เปิดอยู่",
    back: "กลับไปที่อีเวนต์",
    bookings: "การจองของฉัน",
    bookings_hint: "การจองจะแสดงเมื่อเปิด JavaScript เท่านั้น โปรดอนุญาตในเบราว์เซอร์นี้ การจองทั้งหมดยังอยู่",
    states: |state| match state {
        SaleState::Open => "เปิดขาย",
        SaleState::Paused => "หยุดชั่วคราว ที่ของทุกคนยังอยู่",
        SaleState::SoldOut => "บัตรหมดแล้ว ไม่มีที่นั่งเหลือขาย",
        SaleState::Closed => "การขายสิ้นสุดแล้ว",
        _ => "ยังไม่เปิด หน้านี้จะรู้เองเมื่อเปิด",
    },
};

/// The texts in the language that the browser prefers.
pub(super) fn messages(headers: &HeaderMap) -> &'static Messages {
    const ALL: [&Messages; 2] = [&ENGLISH, &THAI];
    preferred_language(headers, &ALL, |one| one.language)
        .copied()
        .unwrap_or(&ENGLISH)
}
