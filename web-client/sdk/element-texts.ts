// The texts of the web component.

/** Complete sentences. `{wait}` and `{time}` are replaced by formatted values. */
export interface RoomTexts {
  joining: string;
  retrying: string;
  waiting: string;
  position: string;
  wait: string;
  waitUnknown: string;
  paused: string;
  lost: string;
  inMemory: string;
  turn: string;
  timeLeft: string;
  left: string;
  signIn: string;
  refused: string;
  closed: string;
  leave: string;
  leaveQuestion: string;
  leaveConfirm: string;
  leaveCancel: string;
}

export const texts: Record<string, RoomTexts> = {
  en: {
    joining: "Taking your place…",
    retrying: "Many people are joining at once. We keep trying to take your place.",
    waiting: "You are in line",
    position: "Your place in line",
    wait: "Expected wait: {wait}",
    waitUnknown: "The expected wait is not known yet.",
    paused: "The line is paused. You keep your place.",
    lost: "The connection is lost. You keep your place, and we keep trying to reconnect.",
    inMemory: "Your browser does not store data for this page. Keep this page open: if you reload or close it, you lose your place.",
    turn: "It is your turn",
    timeLeft: "Time left: {time}",
    left: "You are no longer in line.",
    signIn: "Sign in to join the line.",
    refused: "You cannot join this line.",
    closed: "The sale has ended.",
    leave: "Leave the line",
    leaveQuestion: "Give up your place?",
    leaveConfirm: "Yes, give it up",
    leaveCancel: "No, stay in line",
  },
  th: {
    joining: "กำลังจองที่ในคิวให้คุณ…",
    retrying: "มีคนเข้าคิวพร้อมกันจำนวนมาก เรากำลังพยายามจองที่ในคิวให้คุณต่อไป",
    waiting: "คุณอยู่ในคิวแล้ว",
    position: "ลำดับของคุณในคิว",
    wait: "เวลารอโดยประมาณ: {wait}",
    waitUnknown: "ยังไม่ทราบเวลารอโดยประมาณ",
    paused: "คิวหยุดชั่วคราว ที่ของคุณยังอยู่",
    lost: "การเชื่อมต่อขาดหาย ที่ของคุณยังอยู่ และเรากำลังพยายามเชื่อมต่อใหม่",
    inMemory: "เบราว์เซอร์ของคุณไม่บันทึกข้อมูลของหน้านี้ โปรดเปิดหน้านี้ไว้ หากโหลดใหม่หรือปิด คุณจะเสียที่ในคิว",
    turn: "ถึงคิวของคุณแล้ว",
    timeLeft: "เหลือเวลา: {time}",
    left: "คุณไม่ได้อยู่ในคิวแล้ว",
    signIn: "โปรดเข้าสู่ระบบเพื่อเข้าคิว",
    refused: "คุณไม่สามารถเข้าคิวนี้ได้",
    closed: "การขายสิ้นสุดแล้ว",
    leave: "ออกจากคิว",
    leaveQuestion: "ต้องการสละที่ในคิวหรือไม่",
    leaveConfirm: "ใช่ สละที่",
    leaveCancel: "ไม่ อยู่ในคิวต่อ",
  },
};
