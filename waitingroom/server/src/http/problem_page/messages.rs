//! The texts of the pages that stand in place of problem documents.

use axum::http::HeaderMap;

use super::super::language::preferred_language;

/// The texts of one language. `{seconds}` is replaced by a number; its unit stays on the same line.
pub(super) struct Messages {
    /// The primary tag of the language.
    pub(super) language: &'static str,
    pub(super) one_moment: &'static str,
    pub(super) crowd: &'static str,
    pub(super) crowd_of_network: &'static str,
    pub(super) no_answer: &'static str,
    pub(super) fault: &'static str,
    pub(super) retry: &'static str,
    pub(super) retry_about: &'static str,
    pub(super) place_kept: &'static str,
    pub(super) not_found: &'static str,
    pub(super) not_found_hint: &'static str,
    pub(super) refused: &'static str,
    pub(super) refused_hint: &'static str,
    pub(super) events: &'static str,
}

/// Every language, the fallback first.
pub(super) const ALL: [Messages; 2] = [
    Messages {
        language: "en",
        one_moment: "One moment, please",
        crowd: "Very many people are coming, and not all can be served at this moment.",
        crowd_of_network: "Very many people are coming from your network at once.",
        no_answer: "The waiting room does not answer at this moment. This can happen when very many people come at once, \
            and for a few seconds during an update.",
        fault: "Something went wrong on our side.",
        retry: "This page tries again by itself in {seconds}\u{a0}s. You do not need to do anything.",
        retry_about: "This page tries again by itself in about {seconds}\u{a0}s. You do not need to do anything.",
        place_kept: "If you have a place in the line already, it is kept.",
        not_found: "There is no page here",
        not_found_hint: "The address may be mistyped, or the page has gone. A place in a line is kept all the same.",
        refused: "This did not work",
        refused_hint: "The page cannot be opened in this way. Start again from the events, please.",
        events: "All events",
    },
    Messages {
        language: "th",
        one_moment: "โปรดรอสักครู่",
        crowd: "ขณะนี้มีคนเข้ามาพร้อมกันจำนวนมาก จึงยังให้บริการทุกคนพร้อมกันไม่ได้",
        crowd_of_network: "ขณะนี้มีคนจำนวนมากจากเครือข่ายเดียวกับคุณเข้ามาพร้อมกัน",
        no_answer: "ขณะนี้ห้องรอยังไม่ตอบสนอง อาจเกิดขึ้นเมื่อมีคนเข้ามาพร้อมกันจำนวนมาก หรือเพียงไม่กี่วินาทีระหว่างการอัปเดต",
        fault: "ระบบของเราเกิดข้อผิดพลาด",
        retry: "หน้านี้จะลองใหม่เองในอีก {seconds}\u{a0}วินาที คุณไม่ต้องทำอะไร",
        retry_about: "หน้านี้จะลองใหม่เองในอีกประมาณ {seconds}\u{a0}วินาที คุณไม่ต้องทำอะไร",
        place_kept: "หากคุณมีที่ในคิวอยู่แล้ว ที่ของคุณยังอยู่เหมือนเดิม",
        not_found: "ไม่พบหน้านี้",
        not_found_hint: "ที่อยู่อาจพิมพ์ผิด หรือหน้านี้ไม่มีแล้ว ที่ของคุณในคิวยังอยู่เหมือนเดิม",
        refused: "ดำเนินการไม่สำเร็จ",
        refused_hint: "เปิดหน้านี้ด้วยวิธีนี้ไม่ได้ โปรดเริ่มใหม่จากหน้าอีเวนต์",
        events: "อีเวนต์ทั้งหมด",
    },
];

/// The texts in the language that the browser prefers.
pub(super) fn messages(headers: &HeaderMap) -> &'static Messages {
    const FALLBACK: &Messages = &ALL[0];
    preferred_language(headers, &ALL, |one| one.language).unwrap_or(FALLBACK)
}
