// The visitors' page in English.
import type { Booking, SaleState } from "@stanchion/client";
import type { Format } from "../format";

export const english = (f: Format) => ({
  skip: "Skip to the content",
  language: "Language",
  starting: "One moment…",
  allEvents: "All events",
  myBookings: "My bookings",

  sales: {
    scheduled: "Not open yet",
    open: "On sale",
    paused: "Paused",
    sold_out: "Sold out",
    closed: "Closed",
  } as Record<SaleState, string>,

  events: {
    title: "Events",
    lead: "Choose an event and take a place in its line. Seats go to the first in line first.",
    none: "Nothing is on sale at the moment.",
    past: "Sales that are over",
  },

  unpaid: (seats: number) => f.plural(seats, { one: "You hold {n} seat that is not paid for.", other: "You hold {n} seats that are not paid for." }),
  unpaidLeft: "Held for",
  unpaidGo: "Continue to payment",

  missing: { title: "There is no such event", lead: "The address may be incomplete, or the event is over." },

  eventPage: {
    join: "Join the line",
    joining: "Joining…",
    lead: {
      scheduled: "The sale has not opened yet. This page changes by itself when it does, so there is no need to reload.",
      open: "Take a place in the line. It stays yours, even if you reload, close this page or lose the connection.",
      paused: "The line is standing still for the moment. You can take a place now and keep it.",
      sold_out: "There are no seats left to sell. Thank you for your interest.",
      closed: "This sale is over. Thank you for your interest.",
    } as Record<SaleState, string>,
    opened: "The sale has opened.",
    shows: "Shows",
    from: (price: string) => `from ${price}`,
    crowded: "Many people at once. We are taking your place…",
    endedInLine: "The sale ended while you were in line, so your place has ended, too. Nothing was booked and nothing was charged.",
    notOpen: "You can join when the sale opens.",
  },

  signIn: {
    title: "Sign in",
    lead: "This sale is for signed-in users. The shop that sent you here gives you a token.",
    label: "Access token",
    go: "Continue",
  },

  waiting: {
    title: "You are in line",
    titleBar: (position: string, name: string) => `${position} in line · ${name}`,
    position: "Your position",
    reading: "Taking your place…",
    ahead: (n: number) => f.plural(n, { one: "{n} person ahead of you", other: "{n} people ahead of you" }),
    nobodyAhead: "Nobody is ahead of you",
    behind: (n: number) => (n === 0 ? "Nobody is behind you yet" : f.plural(n, { one: "{n} person behind you", other: "{n} people behind you" })),
    wait: "Expected wait",
    turnAt: (from: string, to: string) => (from === to ? `around ${from}` : `between ${from} and ${to}`),
    waits: {
      soon: "less than a minute",
      minutes: (low: string, high: string) => `${low} to ${high} minutes`,
      minute: (n: number) => f.plural(n, { one: "about {n} minute", other: "about {n} minutes" }),
      hours: (low: string, high: string) => `${low} to ${high} hours`,
      hour: (n: number) => f.plural(n, { one: "about {n} hour", other: "about {n} hours" }),
      unknown: "not known yet",
    },
    seats: "Seats left",
    seatsEnough: "Enough for you and everybody ahead of you",
    seatsPerhaps: (max: string) => `May not be enough: each person may take up to ${max}`,
    seatsFew: "Fewer seats than people ahead. Some may come back.",
    progress: "Your way to the front",
    progressed: (percent: string) => `${percent} of the way`,
    reasons: {
      paused: "The line is standing still for a moment. Nobody can overtake you.",
      sold_out: "Every seat is held or sold at the moment. Some may come back.",
      slowed: "Booking takes longer than usual, so the line moves more slowly.",
      returned: "People who were here before you have come back to their places.",
      counting: "Counting … The line is being put together again. Your place is kept, and nobody can overtake you.",
    } as Record<string, string>,
    sales: {
      paused: "The line is paused. Your place is kept, and nobody can overtake you.",
      sold_out: "Sold out: there are no seats left to sell.",
      closed: "The sale has ended.",
      scheduled: "The sale has not opened yet. Your place is kept.",
    } as Partial<Record<SaleState, string>>,
    keep: "Your place is kept if you reload, close the page or lose the connection. Come back in time for your turn.",
    leave: "Leave the line",
    leaveSure: "Leave the line? Your place goes to the next person, and joining again starts at the end.",
    leaveYes: "Yes, leave",
    leaveNo: "Stay in line",
    nextTitle: "What happens next",
    steps: [
      ["Your turn comes", "This page tells you, and you have some minutes to choose your seats."],
      ["You choose", "If you named seats that you would like, they are held for you already."],
    ] as [string, string][],
    pay: (minutes: number): [string, string] => [
      "You pay",
      f.plural(minutes, { one: "Your seats are held for {n} minute, and nobody can take them.", other: "Your seats are held for {n} minutes, and nobody can take them." }),
    ],
    announce: (position: string, wait: string) => `You are number ${position}. Expected wait: ${wait}.`,
    crowded: "Many people at once. We are taking your place…",
    updated: "Last updated",
    queueId: "Your queue ID",
  },

  alerts: {
    title: "Tell me when it is my turn",
    sound: "Play a sound",
    notification: "Show a notification",
    vibration: "Vibrate",
    pushed: "Notify this device when the page is closed or the phone is locked",
    wakeLock: "Keep the screen on",
    /** Why an alert does not work on this device. */
    obstacles: {
      unsupported: "This browser cannot do this.",
      homeScreen: "On an iPhone or iPad, only apps on the Home Screen can do this.",
      insecure: "This works over a secure connection only (https).",
      blocked: "Notifications are blocked in this browser's settings.",
    },
    failed: "This could not be turned on. Please check the permission and try again.",
    away: "You can put this away: this device is notified when it is your turn, also if the page is closed.",
    stay: "Keep this page open and the screen on: nothing can notify you while the page is closed or the phone is locked.",
    /** What the notification says; `{time}` is filled in when it is shown. */
    push: { body: "Open the page by {time} to choose your seats." },
  },

  seatPreferences: {
    title: "Seats you would like",
    lead: "Optional. The first choice that is still free is held for you at the moment of your turn.",
    choice: (n: string) => `Choice ${n}`,
    zone: "Zone",
    quantity: "Seats",
    add: "Add a choice",
    remove: (n: string) => `Remove choice ${n}`,
    up: (n: string) => `Move choice ${n} up`,
    saved: "Your choices are saved.",
    kept: "Saved with your place.",
    unchosen: "Choose a zone…",
    seats: (n: number) => f.plural(n, { one: "{n} seat", other: "{n} seats" }),
  },

  turn: {
    title: "It is your turn",
    titleBar: (name: string) => `★ It is your turn · ${name}`,
    notification: "It is your turn. Your seats are waiting.",
    left: "Time to choose",
    choose: "Choose your seats",
    seats: "Seats",
    more: "Add a seat",
    fewer: "Remove a seat",
    atMost: (n: number) => f.plural(n, { one: "At most {n} seat for each person.", other: "At most {n} seats for each person." }),
    free: (n: number) => f.plural(n, { one: "{n} seat free", other: "{n} seats free" }),
    soldOut: "Sold out",
    total: "Total",
    reserve: "Hold these seats",
    reserving: "Holding…",
    each: "each",
    whereFirst: "Choose a zone.",
    tooFew: (n: number) =>
      f.plural(n, {
        one: "Only {n} seat is free there. Take fewer, or choose another zone.",
        other: "Only {n} seats are free there. Take fewer, or choose another zone.",
      }),
    preferencesGone: "The seats you chose went to people ahead of you. These are still free.",
    allGone: "Every seat is taken just now. Seats that are not paid for come back here by themselves.",
    giveUp: "Give up my turn",
    ending: (clock: string) => `${clock} left to choose your seats.`,
    giveUpSure: "Give up your turn? It goes to the next person, and joining again starts at the end of the line.",
    giveUpYes: "Yes, give up my turn",
    giveUpNo: "Keep my turn",
    chosen: (seats: string, zone: string) => `${seats} · ${zone}`,
  },

  booking: {
    titles: {
      reserved: "Your seats are held",
      confirmed: "Booking confirmed",
      cancelled: "Your reservation was cancelled",
      expired: "The time to pay ran out",
    } as Record<Booking["status"], string>,
    leads: {
      reserved: "Pay before the time is over to keep them.",
      confirmed: "Show this code at the entrance.",
      cancelled: "The seats have gone back to the line.",
      expired: "The seats have gone back to the line. You can join again.",
    } as Record<Booking["status"], string>,
    statuses: { reserved: "Held, not paid", confirmed: "Confirmed", cancelled: "Cancelled", expired: "Expired" } as Record<
      Booking["status"],
      string
    >,
    reference: "Booking reference",
    seats: "Seats",
    total: "Total",
    held: "Held for",
    ofSeats: (n: number, zone: string) => f.plural(n, { one: `{n} seat, ${zone}`, other: `{n} seats, ${zone}` }),
    pay: "Payment",
    cancel: "Release these seats",
    again: "Back to the event",
    code: (reference: string) => `QR code of booking ${reference}`,
    confirming: "Confirming…",
    ending: (clock: string) => `${clock} left to pay.`,
    cancelSure: "Release these seats? They go back to the line, and you would have to queue again.",
    cancelYes: "Yes, release them",
    cancelNo: "Keep my seats",
    toPayment: "To payment",
  },

  /** A part of the page whose code is loaded late. */
  lateCode: {
    loading: "Loading…",
    failed: "This part of the page could not be loaded. What you have is kept.",
    retry: "Load it again",
  },

  /** The bar with the places of other events. */
  elsewhere: {
    label: "Your places in line",
    inLine: (position: string) => `You are number ${position} in line`,
    next: "You are next",
    turn: "It is your turn",
    left: "Time left",
    see: "See my place",
    choose: "Choose seats",
  },

  /** What a visitor checks about an event while waiting. */
  facts: {
    label: "About the event",
    place: "Place",
    dates: "Dates",
    prices: "Price",
    range: (low: string, high: string) => (low === high ? low : `${low} to ${high}`),
    limit: "Limit",
  },

  demoPayment: {
    lead: "This is a demonstration: no money moves.",
    card: "Demonstration card",
    cardNumber: "•••• 4242",
    pay: (amount: string) => `Pay ${amount}`,
    paying: "Paying…",
  },

  bookings: {
    title: "My bookings",
    none: "You have no bookings yet.",
    open: (reference: string) => `Open booking ${reference}`,
    pay: "Pay now",
    when: "Booked",
  },

  soldOut: {
    title: "Sold out",
    lead: "There are no seats left to sell, so there is nothing to wait for. Thank you for your patience.",
  },

  free: {
    price: "Free",
    lead: "They are yours until the time is over. They cost nothing: confirm them to keep them.",
    confirm: "Confirm",
    ending: (clock: string) => `${clock} left to confirm.`,
    unconfirmed: (seats: number) => f.plural(seats, { one: "You hold {n} seat that is not confirmed.", other: "You hold {n} seats that are not confirmed." }),
  },

  keep: {
    title: "Keep your ticket",
    lead: "This code opens your ticket on any device, even if this browser forgets it. Show it only to people who may use the ticket.",
    copy: "Copy the link",
    copied: "Link copied",
    copiedHint: "The link opens your ticket. Send it to yourself, or keep it in your notes.",
    print: "Print",
    picture: "Save as a picture",
    calendar: "Add to calendar",
    failed: "The code could not be read just now.",
    retry: "Try again",
  },

  recover: {
    label: "I have a code",
    hint: "16 letters and digits, from your ticket. With it, a ticket bought on another device appears here.",
    go: "Open the ticket",
    busy: "Opening…",
    unknown: "No ticket has this code. Please compare it with your ticket, letter by letter.",
    limited: "Too many codes were tried from this network. Please try again in a moment.",
  },

  connection: {
    reconnecting: "The connection is lost. Your place is kept, and this page reconnects by itself.",
    slow: "Updates come every few seconds at the moment.",
    unreachable: "We cannot reach the ticket shop at the moment. This page tries again by itself.",
    memoryOnly: "This browser does not let the page store anything. Keep this tab open: your place and your booking are known to this tab only.",
    /** By stage: the outcome of the request is unknown, and the stage is still valid. */
    undecided: {
      shopping: "There was no answer just now. Please try again: it is still your turn.",
      booking: "There was no answer just now. Please try again: your seats are held until the time is over.",
    } as Record<string, string>,
  },

  /** By error code; `other` for unknown codes. */
  errors: {
    other: "Something went wrong. Please try again.",
    NO_ANSWER: "There was no answer. Check your connection and try again.",
    PAGE_BROKEN: "Something went wrong in this page. Please reload it.",
    NOT_A_TOKEN: "This is not a token. A token has three parts, separated by dots.",
    UNAUTHORIZED: "Your sign-in has ended. Please join again.",
    TOKEN_EXPIRED: "Your sign-in has ended. Please join again.",
    GUEST_TOO_OLD: "You have been here for a while. Please join again.",
    PLACE_LOST: "You are no longer in the line.",
    NOT_IN_QUEUE: "You are no longer in the line. You may have been away for too long; you can join again.",
    REFUSED: "The connection was refused. Please reload the page.",
    QUEUE_CLOSED: "The line is not open.",
    QUEUE_FULL: "The line is full just now. Please try again in a moment.",
    RATE_LIMITED: "Many people are here at once. Please try again in a moment.",
    UNAVAILABLE: "This is taking a moment. Your place is kept.",
    INTERNAL: "Something went wrong at our end. Please try again.",
    PASS_REVOKED: "It was your turn while you were away. Your place is kept: you are first again.",
    PASS_EXPIRED: "The time to choose seats is over. You can join the line again.",
    PASS_USED: "You have already used your turn, perhaps in another tab.",
    INSUFFICIENT_SEATS: "These seats have just been taken. Please choose again.",
    USER_LIMIT_EXCEEDED: "That would be more seats than one person may have.",
    BOOKING_EXPIRED: "The time to pay is over.",
    BOOKING_NOT_PENDING: "This booking was already decided.",
    PAYMENT_FAILED: "The payment did not go through. Nothing was charged.",
    PAYING_ELSEWHERE: "You are paying in another tab. Finish there, or close that tab and try again here.",
  } as Record<string, string> & { other: string },
});

export type Messages = ReturnType<typeof english>;
