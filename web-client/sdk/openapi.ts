// The types of the interface's resources. Written by `npm --prefix openapi run generate` from docs/openapi.json; do not edit.
export interface components {
    schemas: {
        /**
         * @description What decides how many users a queue releases. The first that applies, in this order.
         * @enum {string}
         */
        AdmissionStatus: "scheduled" | "closed" | "paused" | "sold_out" | "handed_over" | "rebuilding" | "counting_seats" | "no_worker" | "booking_unavailable" | "rate_zero" | "seats_held" | "empty" | "all_absent" | "cap_reached" | "throttled" | "releasing";
        /** @description The appearance of an event's pages. */
        Appearance: {
            /** @description The colour of buttons and links. */
            accent?: string;
            /** @description The background colour. */
            background?: string;
            /**
             * @description An image: `data:image/png`, `jpeg` or `webp` in base64 of at most 48 KiB, or a path of at
             *     most 512 characters on this site.
             */
            logo?: string;
            /** @description A greeting, as plain text. */
            message?: string;
            /** @description The event's picture, in the same forms; shown 16 wide by 9 high. */
            picture?: string;
        };
        /** @description A change of the appearance. Absent fields stay, an empty text removes. */
        AppearancePatch: {
            /** @description The colour of buttons and links, as `#rrggbb`. */
            accent?: string | null;
            /** @description The background colour, as `#rrggbb`. */
            background?: string | null;
            /** @description An image: `data:image/png`, `jpeg` or `webp` in base64 of at most 48 KiB, or a path of at most 512 characters on this site. */
            logo?: string | null;
            /** @description A greeting, as plain text. */
            message?: string | null;
            /** @description An image: `data:image/png`, `jpeg` or `webp` in base64 of at most 48 KiB, or a path of at most 512 characters on this site. */
            picture?: string | null;
        };
        /**
         * @description An entry of the audit log. It may be stored by a later release, whose actions this one does not
         *     know.
         */
        AuditEntry: {
            /**
             * @description `create_event`, `change_queue`, `change_appearance`, `remove_place`, `sync_inventory` (about
             *     to be done), `inventory_synced` (done). Later versions may add actions.
             */
            action: string;
            /** @description The same fields after it. */
            after: Record<string, unknown> | null;
            /** @description The time of the action. */
            at: components["schemas"]["Timestamp"];
            /**
             * Format: int64
             * @description Increases with time.
             */
            audit_id: number;
            /** @description The fields that the action changed, before it. */
            before: Record<string, unknown> | null;
            event_id: null | components["schemas"]["EventId"];
            /** @description The `sub` of the operator's token, or `stanchion:seed`. */
            operator: string;
        };
        /** @description The available seats of an event. */
        Availability: {
            event_id: components["schemas"]["EventId"];
            /** @description All zones of the event, in the order of its shows. */
            zones: components["schemas"]["ZoneAvailability"][];
        };
        /**
         * @description A booking: seats of one zone, reserved by a user.
         * @example {
         *       "booking_id": "0197a4c7-11d2-7b60-8e4f-93a5c0b7d201",
         *       "created_at": "2026-06-01T18:00:12.345Z",
         *       "currency": "EUR",
         *       "currency_digits": 2,
         *       "event_id": "d0000000-0000-0001-0000-000000000000",
         *       "expires_at": "2026-06-01T18:05:12.345Z",
         *       "quantity": 2,
         *       "show_id": "d1000000-0000-0001-0000-000000000000",
         *       "status": "reserved",
         *       "total_price": 17800,
         *       "unit_price": 8900,
         *       "user_id": "alice",
         *       "zone_id": "d2000000-0000-0001-0002-000000000000"
         *     }
         */
        Booking: {
            booking_id: components["schemas"]["BookingId"];
            /** @description The time of the confirmation. */
            confirmed_at?: components["schemas"]["Timestamp"];
            /** @description The time of the reservation. */
            created_at: components["schemas"]["Timestamp"];
            currency: components["schemas"]["Currency"];
            /**
             * Format: uint8
             * @description Decimals of the currency's minor unit, by ISO 4217.
             */
            currency_digits: number;
            event_id: components["schemas"]["EventId"];
            /** @description When the hold expires unless it is confirmed. */
            expires_at: components["schemas"]["Timestamp"];
            /** Format: uint32 */
            quantity: number;
            show_id: components["schemas"]["ShowId"];
            status: components["schemas"]["BookingStatus"];
            /**
             * Format: int64
             * @description In minor units.
             */
            total_price: number;
            /**
             * Format: int64
             * @description The catalogue's price of one seat at the time of the reservation, in minor units.
             */
            unit_price: number;
            user_id: components["schemas"]["UserId"];
            zone_id: components["schemas"]["ZoneId"];
        };
        /**
         * @description The code of a booking.
         * @example {
         *       "booking_id": "0197a4c7-11d2-7b60-8e4f-93a5c0b7d201",
         *       "code": "7K3M-QX4V-9T2B-H8WD",
         *       "path": "/bookings#code=7K3M-QX4V-9T2B-H8WD"
         *     }
         */
        BookingCode: {
            booking_id: components["schemas"]["BookingId"];
            code: components["schemas"]["RecoveryCode"];
            /**
             * @description The page of this site that opens the booking. The code is behind `#`: browsers send it to no
             *     server.
             */
            path: string;
        };
        /**
         * Format: uuid
         * @description One reservation, from hold to its end.
         */
        BookingId: string;
        /**
         * @description A page of bookings.
         * @example {
         *       "bookings": [
         *         {
         *           "booking_id": "0197a4c7-11d2-7b60-8e4f-93a5c0b7d201",
         *           "created_at": "2026-06-01T18:00:12.345Z",
         *           "currency": "EUR",
         *           "currency_digits": 2,
         *           "event_id": "d0000000-0000-0001-0000-000000000000",
         *           "expires_at": "2026-06-01T18:05:12.345Z",
         *           "quantity": 2,
         *           "show_id": "d1000000-0000-0001-0000-000000000000",
         *           "status": "reserved",
         *           "total_price": 17800,
         *           "unit_price": 8900,
         *           "user_id": "alice",
         *           "zone_id": "d2000000-0000-0001-0002-000000000000"
         *         }
         *       ],
         *       "limit": 20,
         *       "offset": 0,
         *       "total": 1
         *     }
         */
        BookingPage: {
            bookings: components["schemas"]["Booking"][];
            /** Format: uint32 */
            limit: number;
            /** Format: uint64 */
            offset: number;
            /**
             * Format: uint64
             * @description Bookings on all pages.
             */
            total: number;
        };
        /**
         * @description A request for the booking of a code.
         * @example {
         *       "code": "7K3M-QX4V-9T2B-H8WD"
         *     }
         */
        BookingRecovery: {
            code: components["schemas"]["RecoveryCode"];
        };
        /**
         * @description The status of a booking. Only `reserved` can change.
         * @enum {string}
         */
        BookingStatus: "reserved" | "confirmed" | "cancelled" | "expired";
        /**
         * @description The user's bookings in numbers.
         * @example {
         *       "bookings": 3,
         *       "confirmed_seats": 4,
         *       "currency": "EUR",
         *       "currency_digits": 2,
         *       "reserved_seats": 2,
         *       "total_spent": 35600
         *     }
         */
        BookingSummary: {
            /**
             * Format: uint64
             * @description Bookings, held or bought.
             */
            bookings: number;
            /**
             * Format: uint64
             * @description Seats bought.
             */
            confirmed_seats: number;
            /** @description Absent if there are no bookings, or bookings in several currencies. */
            currency?: components["schemas"]["Currency"];
            /**
             * Format: uint8
             * @description Decimals of the currency's minor unit, by ISO 4217; absent as `currency` is.
             */
            currency_digits?: number;
            /**
             * Format: uint64
             * @description Seats held at present.
             */
            reserved_seats: number;
            /**
             * Format: int64
             * @description Price of the seats bought, in minor units.
             */
            total_spent: number;
        };
        /** @description The load of booking, over the last two to three seconds. */
        BookingVitals: {
            /**
             * Format: uint64
             * @description Max reservations in that queue.
             */
            commit_capacity: number;
            /**
             * Format: uint64
             * @description Reservations queued for the group commit.
             */
            commit_waiting: number;
            /**
             * Format: double
             * @description The last round trip to the database in milliseconds, or the age of the current one if that
             *     is longer.
             */
            database_ms: number;
            /**
             * Format: double
             * @description Share of responses that were 5xx, 0 to 1; of at least forty responses.
             */
            error_share: number;
            /**
             * Format: double
             * @description Age of the oldest message that is not published yet.
             */
            outbox_lag_seconds: number;
            /**
             * Format: double
             * @description Median response time in milliseconds; a request in progress counts with its age if that is
             *     longer. Absent if there were no requests.
             */
            reserve_p50_ms?: number;
            /**
             * Format: double
             * @description The same for the 95th percentile.
             */
            reserve_p95_ms?: number;
            /**
             * Format: double
             * @description Reservations completed per second.
             */
            reserves_per_second: number;
            /**
             * @description Nothing can be booked at the moment: the database cannot be written, or the engine does not
             *     respond. Measured apart from the other values, which say little while no user reserves.
             */
            unable?: boolean;
        };
        /**
         * @description The kind of a problem. Codes are stable: programs may rely on them.
         * @enum {string}
         */
        Code: "ALREADY_EXISTS" | "BOOKING_EXPIRED" | "BOOKING_NOT_FOUND" | "BOOKING_NOT_PENDING" | "EVENT_NOT_FOUND" | "FORBIDDEN" | "GUEST_TOO_OLD" | "IDEMPOTENCY_MISMATCH" | "INSUFFICIENT_SEATS" | "INTERNAL" | "INVALID_REQUEST" | "METHOD_NOT_ALLOWED" | "NOT_FOUND" | "NOT_IN_QUEUE" | "PASS_EXPIRED" | "PASS_INVALID" | "PASS_REQUIRED" | "PASS_REVOKED" | "PASS_USED" | "PASS_WRONG_EVENT" | "PASS_WRONG_USER" | "PAYLOAD_TOO_LARGE" | "PRECONDITION_FAILED" | "QUEUE_CLOSED" | "QUEUE_FULL" | "RATE_LIMITED" | "SHOW_NOT_FOUND" | "TOKEN_EXPIRED" | "UNAUTHORIZED" | "UNAVAILABLE" | "UNSUPPORTED_MEDIA_TYPE" | "USER_LIMIT_EXCEEDED" | "ZONE_NOT_FOUND";
        /** @description The value that a conditional change found instead of the one that the caller expects. */
        Conflict: {
            /** @description When. */
            changed_at?: components["schemas"]["Timestamp"];
            /** @description The operator who changed it last. */
            changed_by?: string;
            /** @description The current value. */
            current: Record<string, unknown>;
            /** @description The current revision, for another attempt. */
            revision: string;
        };
        /**
         * @description A currency by its ISO 4217 code. What clients send must be in the list and in use; a stored code
         *     stays valid when the list drops it.
         */
        Currency: string;
        /** @description A currency of ISO 4217. */
        CurrencyInUse: {
            currency: components["schemas"]["Currency"];
            /**
             * Format: uint8
             * @description Decimals of its minor unit.
             */
            currency_digits: number;
        };
        /**
         * @description A request for a development token.
         * @example {
         *       "user": "alice"
         *     }
         */
        DevelopmentUser: {
            /** @description `admin` for an operator. */
            role?: string | null;
            user: components["schemas"]["UserId"];
        };
        /**
         * @description An event with its shows, zones and available seats.
         * @example {
         *       "city": "Hamburg",
         *       "currency": "EUR",
         *       "currency_digits": 2,
         *       "event_id": "d0000000-0000-0001-0000-000000000000",
         *       "hold_seconds": 300,
         *       "max_seats_per_user": 6,
         *       "min_price": 8900,
         *       "name": "The Velvet Rope: live at the Harbour",
         *       "shows": [
         *         {
         *           "name": "Friday evening",
         *           "show_id": "d1000000-0000-0001-0000-000000000000",
         *           "starts_at": "2026-07-03T18:00:00Z",
         *           "starts_at_local": "2026-07-03T20:00:00",
         *           "zones": [
         *             {
         *               "available": 398,
         *               "capacity": 400,
         *               "currency": "EUR",
         *               "currency_digits": 2,
         *               "name": "Stalls",
         *               "unit_price": 8900,
         *               "zone_id": "d2000000-0000-0001-0002-000000000000"
         *             }
         *           ]
         *         }
         *       ],
         *       "sold_out": false,
         *       "starts_at": "2026-07-03T18:00:00Z",
         *       "starts_at_local": "2026-07-03T20:00:00",
         *       "state": "open",
         *       "time_zone": "Europe/Berlin",
         *       "venue": "Harbour Stage"
         *     }
         */
        Event: components["schemas"]["EventHead"] & {
            appearance?: components["schemas"]["Appearance"];
            /**
             * Format: uint32
             * @description Duration of a hold.
             */
            hold_seconds: number;
            /**
             * Format: uint32
             * @description Max seats that one user may hold or have bought.
             */
            max_seats_per_user: number;
            shows: components["schemas"]["Show"][];
        };
        /** @description The name and the state of an event, and what a list of events shows of it. */
        EventHead: {
            city?: string;
            currency: components["schemas"]["Currency"];
            /**
             * Format: uint8
             * @description Decimals of the currency's minor unit, by ISO 4217.
             */
            currency_digits: number;
            event_id: components["schemas"]["EventId"];
            /** @description The operator's message to all users. */
            message?: string;
            /**
             * Format: int64
             * @description Lowest price of one seat, in minor units.
             */
            min_price?: number;
            name: string;
            /** @description Every seat is sold, and none is held that could come back. */
            sold_out: boolean;
            /** @description When its first show begins. */
            starts_at?: components["schemas"]["Timestamp"];
            /** @description The same as the clocks at the venue show it; absent if `time_zone` is. */
            starts_at_local?: components["schemas"]["WallTime"];
            state: components["schemas"]["SaleState"];
            /** @description The zone in which the event's times are meant. */
            time_zone?: components["schemas"]["TimeZone"];
            /** @description The house or ground. */
            venue?: string;
        };
        /**
         * Format: uuid
         * @description An event: one queue, its shows and their zones.
         */
        EventId: string;
        /**
         * @description The settings of an event's queue.
         * @example {
         *       "burst": 5,
         *       "claim_window_seconds": 30,
         *       "event_id": "d0000000-0000-0001-0000-000000000000",
         *       "grace_seconds": 300,
         *       "max_active": 200,
         *       "max_in_line": 1000000,
         *       "message": null,
         *       "pass_ttl_seconds": 300,
         *       "push_claim_window_seconds": 120,
         *       "rate_per_second": 5,
         *       "revision": "5f2b81c09a7e4d36",
         *       "state": "open"
         *     }
         */
        EventQueueSettings: components["schemas"]["QueueSettings"] & {
            event_id: components["schemas"]["EventId"];
            /** @description Changes with the settings; in quotes it is the `ETag`, and the `If-Match` of a change. */
            revision: components["schemas"]["Revision"];
        };
        /** @description Numbers that can be plotted; `null` if one is not known. */
        Figures: {
            /**
             * Format: double
             * @description Those of `line` who are disconnected, within the grace period.
             */
            absent: number | null;
            /**
             * Format: double
             * @description Passes neither used nor expired.
             */
            active: number | null;
            /**
             * Format: double
             * @description Users who joined.
             */
            arrivals_per_second: number | null;
            /**
             * Format: double
             * @description Reservations queued for their commit.
             */
            commit_waiting: number | null;
            /**
             * Format: double
             * @description Connections to gateways.
             */
            connections: number | null;
            /**
             * Format: double
             * @description Users who left, and users whose grace period ended.
             */
            departures_per_second: number | null;
            /**
             * Format: double
             * @description Share of them that were 5xx.
             */
            error_share: number | null;
            /**
             * Format: double
             * @description Passes that expired unused.
             */
            expired_per_second: number | null;
            /**
             * Format: double
             * @description Seats that can be reserved.
             */
            free: number | null;
            /**
             * Format: double
             * @description Seats reserved, not yet bought.
             */
            held: number | null;
            /**
             * Format: double
             * @description Users in the queue without a pass.
             */
            line: number | null;
            /**
             * Format: double
             * @description Max active passes.
             */
            max_active: number | null;
            /**
             * Format: double
             * @description Resident memory of all processes.
             */
            memory_bytes: number | null;
            /**
             * Format: double
             * @description Unclaimed passes.
             */
            no_shows_per_second: number | null;
            /**
             * Format: double
             * @description Age of the oldest message that is not published.
             */
            outbox_lag_seconds: number | null;
            /**
             * Format: double
             * @description The effective rate: throttled if booking is overloaded, zero if the sale stands still.
             */
            rate_effective: number | null;
            /**
             * Format: double
             * @description The configured rate.
             */
            rate_set: number | null;
            /**
             * Format: double
             * @description Passes released.
             */
            released_per_second: number | null;
            /**
             * Format: double
             * @description The slowest twentieth of them, at the slowest process.
             */
            reserve_p95_ms: number | null;
            /**
             * Format: double
             * @description Reservations answered, by all booking processes, for all events.
             */
            reserves_per_second: number | null;
            /**
             * Format: double
             * @description Seats bought.
             */
            sold: number | null;
        };
        /** @description When the queue will be empty and the seats gone, as far as that can be foreseen. */
        Forecast: {
            /** @description Why `queue_empty_at` is absent. */
            no_queue_forecast?: components["schemas"]["NoForecast"];
            /** @description Why `seats_gone_at` is absent. */
            no_seats_forecast?: components["schemas"]["NoForecast"];
            /** @description When no user will be left in the queue. */
            queue_empty_at?: components["schemas"]["Timestamp"];
            /** @description When no seat will be left. */
            seats_gone_at?: components["schemas"]["Timestamp"];
        };
        /**
         * @description An address that makes most of the new guests.
         * @example {
         *       "network": "203.0.113.0/24",
         *       "percent": 97
         *     }
         */
        GuestMajority: {
            /** @description The network of the address: a /24 with IPv4, a /48 with IPv6. */
            network: string;
            /**
             * Format: uint8
             * @description Its share of the guests of a minute, in percent.
             */
            percent: number;
        };
        /** @description One list for each metric, all of the same length, oldest first: at most 900 samples, one per second, or 1080 averages of 20 seconds. */
        History: {
            /** @description Unix milliseconds. */
            at_ms: number[];
        } & {
            [key: string]: (number | null)[];
        };
        /**
         * @description The seats of the engine compared with those of the database.
         * @example {
         *       "drift": 0,
         *       "zones": [
         *         {
         *           "capacity": 400,
         *           "database": {
         *             "available": 398,
         *             "confirmed": 0,
         *             "held": 2
         *           },
         *           "drift": 0,
         *           "event_id": "d0000000-0000-0001-0000-000000000000",
         *           "redis": {
         *             "available": 398
         *           },
         *           "show_id": "d1000000-0000-0001-0000-000000000000",
         *           "zone_id": "d2000000-0000-0001-0002-000000000000"
         *         }
         *       ]
         *     }
         */
        InventoryStatus: {
            /**
             * Format: int64
             * @description Sum of the differences of all zones, in seats.
             */
            drift: number;
            zones: components["schemas"]["ZoneInventory"][];
        };
        /**
         * @description A request to join.
         * @example {
         *       "event_id": "d0000000-0000-0001-0000-000000000000"
         *     }
         */
        Join: {
            event_id: components["schemas"]["EventId"];
            /**
             * Format: uint32
             * @description The last position that the client received with this ticket: if the queue was lost since, the
             *     client receives no greater one.
             */
            position?: number | null;
            /** @description A ticket from an earlier join. It is ignored unless it is this user's for this event. */
            ticket?: string | null;
            /** @description Seat preferences, best first. */
            wish?: components["schemas"]["WishItem"][];
        };
        /**
         * @description A request to leave.
         * @example {
         *       "event_id": "d0000000-0000-0001-0000-000000000000"
         *     }
         */
        Leave: {
            event_id: components["schemas"]["EventId"];
        };
        /**
         * @description The user is no longer in the queue.
         * @example {
         *       "event_id": "d0000000-0000-0001-0000-000000000000",
         *       "left": true
         *     }
         */
        Left: {
            event_id: components["schemas"]["EventId"];
            /** @constant */
            left: true;
        };
        /** @description One process and its last status. */
        LiveProcess: components["schemas"]["ProcessStatus"] & {
            /**
             * Format: uint64
             * @description Age of the status in milliseconds.
             */
            age_ms: number;
        };
        /** @description One event at one moment. */
        Moment: {
            /** @description Whether users are released, or why not. */
            admission: components["schemas"]["AdmissionStatus"];
            at: components["schemas"]["Timestamp"];
            event_id: components["schemas"]["EventId"];
            figures: components["schemas"]["Figures"];
            forecast: components["schemas"]["Forecast"];
            nodes: components["schemas"]["LiveProcess"][];
            /** @description The revision of the configured settings, for the `If-Match` of a change. */
            queue_revision: components["schemas"]["Revision"];
            settings: components["schemas"]["QueueSettings"];
            /** @description Why the effective rate is lower than the configured rate; absent if it is not. */
            slowness?: components["schemas"]["ThrottleReason"];
            /**
             * @description What has happened in an epoch of a queue, over all nodes. Each number only grows while the
             *     epoch lasts: differences between two looks are exact.
             */
            totals: {
                /**
                 * Format: uint64
                 * @description Places lost by being away for longer than the grace period, or by unclaimed passes.
                 */
                dropped: number;
                /**
                 * Format: uint64
                 * @description Passes that ended unused.
                 */
                expired: number;
                /**
                 * Format: uint64
                 * @description Places taken, or re-taken with a ticket of an earlier epoch.
                 */
                joined: number;
                /**
                 * Format: uint64
                 * @description Places and passes that were given up.
                 */
                left: number;
                /**
                 * Format: uint64
                 * @description Passes released.
                 */
                released: number;
                /**
                 * Format: uint64
                 * @description Passes that no client acknowledged within the claim window.
                 */
                taken_back: number;
            };
            zones: {
                /** Format: uint32 */
                capacity: number;
                /**
                 * Format: uint32
                 * @description Seats that can be reserved, according to the engine.
                 */
                free: number;
                /** Format: uint32 */
                held?: number;
                show: string;
                show_id: components["schemas"]["ShowId"];
                /**
                 * Format: uint32
                 * @description Absent if the database did not respond, as is `held`.
                 */
                sold?: number;
                zone: string;
                zone_id: components["schemas"]["ZoneId"];
            }[];
        };
        /** @description Printable characters; surrounding spaces are removed. */
        Name: string;
        /**
         * @description An event to be added.
         * @example {
         *       "city": "Hamburg",
         *       "currency": "EUR",
         *       "name": "An evening",
         *       "queue": {
         *         "rate_per_second": 20
         *       },
         *       "shows": [
         *         {
         *           "name": "Friday",
         *           "starts_at_local": "2030-05-03T20:00",
         *           "zones": [
         *             {
         *               "capacity": 400,
         *               "name": "Stalls",
         *               "unit_price": 8900
         *             }
         *           ]
         *         }
         *       ],
         *       "time_zone": "Europe/Berlin",
         *       "venue": "Harbour Stage"
         *     }
         */
        NewEvent: {
            appearance?: components["schemas"]["AppearancePatch"];
            city?: null | components["schemas"]["Name"];
            /** @default EUR */
            currency?: null | components["schemas"]["Currency"];
            event_id?: null | components["schemas"]["EventId"];
            /**
             * Format: uint32
             * @description Duration of a hold.
             * @default 600
             */
            hold_seconds?: number | null;
            /**
             * Format: uint32
             * @description Max seats that one user may hold or have bought.
             * @default 10
             */
            max_seats_per_user?: number | null;
            name: components["schemas"]["Name"];
            queue?: {
                /**
                 * @description Max users released at one moment after a period below the rate.
                 * @default 50
                 */
                burst?: number | null;
                /**
                 * @description Time to acknowledge a pass; it is revoked afterwards, and its user is first again on return.
                 * @default 30
                 */
                claim_window_seconds?: number | null;
                /**
                 * @description Time that a disconnected user keeps the place.
                 * @default 300
                 */
                grace_seconds?: number | null;
                /**
                 * @description Max passes that are issued and neither used nor expired.
                 * @default 1000
                 */
                max_active?: number | null;
                /**
                 * @description Max users in the queue; further joins are answered with `QUEUE_FULL`.
                 * @default 1000000
                 */
                max_in_line?: number | null;
                /** @description A message to everyone in the queue. An empty text or `null` removes it. */
                message?: string | null;
                /**
                 * @description Lifetime of a pass, from its release to the reservation.
                 * @default 300
                 */
                pass_ttl_seconds?: number | null;
                /**
                 * @description Time to acknowledge a pass that was sent as a push to a device, if that is longer than `claim_window_seconds`.
                 * @default 120
                 */
                push_claim_window_seconds?: number | null;
                /**
                 * @description Users released per second.
                 * @default 50
                 */
                rate_per_second?: number | null;
                state?: components["schemas"]["SaleState"] | null;
            };
            shows: components["schemas"]["NewShow"][];
            time_zone?: null | components["schemas"]["TimeZone"];
            venue?: null | components["schemas"]["Name"];
        };
        /** @description A show of an event to be added. */
        NewShow: {
            name: components["schemas"]["Name"];
            show_id?: null | components["schemas"]["ShowId"];
            starts_at?: null | components["schemas"]["Timestamp"];
            starts_at_local?: null | components["schemas"]["WallTime"];
            zones: components["schemas"]["NewZone"][];
        };
        /** @description A zone of an event to be added. */
        NewZone: {
            /** Format: uint32 */
            capacity: number;
            name: components["schemas"]["Name"];
            /**
             * Format: int64
             * @description Price of one seat, in minor units; 0 for a free seat.
             */
            unit_price: number;
            zone_id?: null | components["schemas"]["ZoneId"];
        };
        /** @description One process; a restarted process has another name. */
        NodeId: string;
        /**
         * @description Why there is no forecast.
         * @enum {string}
         */
        NoForecast: "done" | "stands_still" | "measuring" | "not_decreasing" | "too_far";
        /**
         * @description An event as operators see it: with the settings of its queue.
         * @example {
         *       "appearance_revision": "0c8e0e1d22c4a9b7",
         *       "city": "Hamburg",
         *       "currency": "EUR",
         *       "currency_digits": 2,
         *       "event_id": "d0000000-0000-0001-0000-000000000000",
         *       "hold_seconds": 300,
         *       "max_seats_per_user": 6,
         *       "min_price": 8900,
         *       "name": "The Velvet Rope: live at the Harbour",
         *       "now": {
         *         "absent": 4,
         *         "active": 80,
         *         "admission": "releasing",
         *         "at": "2026-07-01T18:00:00Z",
         *         "line": 61,
         *         "released_per_second": 4.5
         *       },
         *       "queue": {
         *         "burst": 50,
         *         "claim_window_seconds": 30,
         *         "grace_seconds": 300,
         *         "max_active": 1000,
         *         "max_in_line": 1000000,
         *         "message": null,
         *         "pass_ttl_seconds": 300,
         *         "push_claim_window_seconds": 120,
         *         "rate_per_second": 50,
         *         "state": "open"
         *       },
         *       "queue_revision": "5f2b81c09a7e4d36",
         *       "shows": [
         *         {
         *           "name": "Friday evening",
         *           "show_id": "d1000000-0000-0001-0000-000000000000",
         *           "starts_at": "2026-07-03T18:00:00Z",
         *           "starts_at_local": "2026-07-03T20:00:00",
         *           "zones": [
         *             {
         *               "available": 398,
         *               "capacity": 400,
         *               "currency": "EUR",
         *               "currency_digits": 2,
         *               "name": "Stalls",
         *               "unit_price": 8900,
         *               "zone_id": "d2000000-0000-0001-0002-000000000000"
         *             }
         *           ]
         *         }
         *       ],
         *       "sold_out": false,
         *       "starts_at": "2026-07-03T18:00:00Z",
         *       "starts_at_local": "2026-07-03T20:00:00",
         *       "state": "open",
         *       "time_zone": "Europe/Berlin",
         *       "venue": "Harbour Stage"
         *     }
         */
        OperatedEvent: components["schemas"]["Event"] & {
            /** @description The revision of the appearance. */
            appearance_revision: components["schemas"]["Revision"];
            /**
             * @description The queue at this moment; absent if it has not been sampled in the last seconds, as that of a
             *     closed sale.
             */
            now?: components["schemas"]["QueueOverview"];
            queue: components["schemas"]["QueueSettings"];
            /** @description The revision of `queue`. */
            queue_revision: components["schemas"]["Revision"];
        };
        /** @description One pass. */
        PassId: string;
        /** @description A user's place in the queue, or the pass. */
        Place: {
            /**
             * Format: uint32
             * @description Position divided by the measured rate, or by the configured rate until one is measured.
             */
            estimated_wait_seconds: number;
            event_id: components["schemas"]["EventId"];
            hold?: components["schemas"]["Booking"];
            /** @description True if there is a pass. */
            is_ready: boolean;
            /** @description If none of the seat preferences could be held: the seats left in their zones. */
            left?: components["schemas"]["ZoneLeft"][];
            pass_id?: components["schemas"]["PassId"];
            /**
             * Format: uint64
             * @description 1 for the next user, 0 once `is_ready`.
             */
            position: number;
            /** @description The pass, for `X-Queue-Pass`. */
            queue_pass?: string;
            /** @description When the pass expires. */
            queue_pass_expires_at?: components["schemas"]["Timestamp"];
            reason?: components["schemas"]["WaitReason"];
            /** @description Clients keep the ticket: it restores the place if the queue is lost. */
            ticket: string;
            /**
             * Format: uint64
             * @description Users in the queue without a pass.
             */
            total_in_queue: number;
            user_id: components["schemas"]["UserId"];
            wait_range_seconds?: components["schemas"]["WaitRange"];
        };
        /** @description A problem as RFC 9457 describes it. */
        Problem: {
            code: components["schemas"]["Code"];
            /** @description Only with `PRECONDITION_FAILED`. */
            conflict?: components["schemas"]["Conflict"];
            /** @description An explanation for people. */
            detail: string;
            /** @description The input that was rejected. */
            field?: string;
            /** @description The id of the request, as in the header `X-Request-ID` of the answer; quote it in a report. */
            request_id?: string;
            /**
             * Format: uint64
             * @description Seconds, as in the header `Retry-After`.
             */
            retry_after?: number;
            /**
             * Format: uint16
             * @description The HTTP status.
             */
            status: number;
            /** @description The same for every problem with this code and status. */
            title: string;
            /** @description `urn:stanchion:problem:` and the code in lower case. */
            type: string;
        };
        /** @description The identity of a process: constant while it runs. */
        Process: {
            /** @description The name, another at every start; that of a gateway is its node's. */
            node: components["schemas"]["NodeId"];
            /** @description Its roles. */
            roles: components["schemas"]["Role"][];
            /** @description Its settings that have to be those of other processes. Of a secret, a fingerprint. */
            settings?: {
                [key: string]: string;
            };
            /** @description When it started, by its own clock. */
            started_at: components["schemas"]["Timestamp"];
            /** @description The release that it runs. */
            version: string;
        };
        /** @description The status of one process. */
        ProcessStatus: components["schemas"]["Process"] & {
            /** @description The load of a process that serves booking. */
            booking?: components["schemas"]["BookingVitals"];
            /**
             * Format: uint64
             * @description Open connections to its port.
             */
            connections: number;
            /**
             * @description The address that makes most of the new guests of a gateway. Then a proxy in front hides its
             *     clients, or many people share an address; either way they meet the limits of one.
             */
            guest_majority?: components["schemas"]["GuestMajority"];
            /**
             * Format: uint64
             * @description Tasks of its runtime that have not ended.
             */
            live_tasks: number;
            /**
             * Format: uint64
             * @description Resident memory in bytes; absent if the system does not report it.
             */
            memory_bytes?: number;
        };
        /**
         * @description How a browser subscribes.
         * @example {
         *       "public_key": "BJeKX27_jyrQBkKXe7LoXbOFu80JLE0b9qtpCqQbQBxvjjnXKm35tCKqpx1TN6Wef12R0xIXfOgnL3NxFT2_x8c"
         *     }
         */
        PushKey: {
            /** @description The `applicationServerKey` of subscriptions, in base64url; absent if pushes are off. */
            public_key?: string;
        };
        /**
         * @description Is the user notified of the turn by a push?
         * @example {
         *       "event_id": "d0000000-0000-0001-0000-000000000000",
         *       "subscribed": true
         *     }
         */
        PushSubscribed: {
            event_id: components["schemas"]["EventId"];
            subscribed: boolean;
        };
        /**
         * @description A browser's subscription, as `PushSubscription.toJSON()` gives it.
         * @example {
         *       "endpoint": "https://updates.push.services.mozilla.com/wpush/v2/gAAAAABexample",
         *       "keys": {
         *         "auth": "DGv6ra1nlYgDCS1FRnbzlw",
         *         "p256dh": "BJeKX27_jyrQBkKXe7LoXbOFu80JLE0b9qtpCqQbQBxvjjnXKm35tCKqpx1TN6Wef12R0xIXfOgnL3NxFT2_x8c"
         *       }
         *     }
         */
        PushSubscription: {
            /** @description A URL of a known push service, over TLS. */
            endpoint: string;
            keys: components["schemas"]["PushSubscriptionKeys"];
        };
        /** @description The keys that messages to the browser are encrypted with. */
        PushSubscriptionKeys: {
            /** @description 16 bytes in base64url. */
            auth: string;
            /** @description A public key of P-256, 65 bytes in base64url. */
            p256dh: string;
        };
        /** @description One event's queue in short. */
        QueueOverview: {
            /**
             * Format: uint64
             * @description Those of them who are absent.
             */
            absent: number;
            /**
             * Format: uint64
             * @description Active passes.
             */
            active: number;
            /** @description Whether users are released, or why not. */
            admission: components["schemas"]["AdmissionStatus"];
            at: components["schemas"]["Timestamp"];
            /**
             * Format: uint64
             * @description Users in the queue without a pass.
             */
            line: number;
            /**
             * Format: double
             * @description Passes released per second; `null` if that is not known.
             */
            released_per_second: number | null;
        };
        QueuePatch: {
            /** @description Max users released at one moment after a period below the rate. */
            burst?: number | null;
            /** @description Time to acknowledge a pass; it is revoked afterwards, and its user is first again on return. */
            claim_window_seconds?: number | null;
            /** @description Time that a disconnected user keeps the place. */
            grace_seconds?: number | null;
            /** @description Max passes that are issued and neither used nor expired. */
            max_active?: number | null;
            /** @description Max users in the queue; further joins are answered with `QUEUE_FULL`. */
            max_in_line?: number | null;
            /** @description A message to everyone in the queue. An empty text or `null` removes it. */
            message?: string | null;
            /** @description Lifetime of a pass, from its release to the reservation. */
            pass_ttl_seconds?: number | null;
            /** @description Time to acknowledge a pass that was sent as a push to a device, if that is longer than `claim_window_seconds`. */
            push_claim_window_seconds?: number | null;
            /** @description Users released per second. */
            rate_per_second?: number | null;
            state?: components["schemas"]["SaleState"] | null;
        };
        QueueSettings: {
            /** @description Max users released at one moment after a period below the rate. */
            burst: number;
            /** @description Time to acknowledge a pass; it is revoked afterwards, and its user is first again on return. */
            claim_window_seconds: number;
            /** @description Time that a disconnected user keeps the place. */
            grace_seconds: number;
            /** @description Max passes that are issued and neither used nor expired. */
            max_active: number;
            /** @description Max users in the queue; further joins are answered with `QUEUE_FULL`. */
            max_in_line: number;
            /** @description A message to everyone in the queue. */
            message: string | null;
            /** @description Lifetime of a pass, from its release to the reservation. */
            pass_ttl_seconds: number;
            /** @description Time to acknowledge a pass that was sent as a push to a device, if that is longer than `claim_window_seconds`. */
            push_claim_window_seconds: number;
            /** @description Users released per second. */
            rate_per_second: number;
            state: components["schemas"]["SaleState"];
        };
        /**
         * @description The state of a queue.
         * @example {
         *       "active_passes": 17,
         *       "event_id": "d0000000-0000-0001-0000-000000000000",
         *       "max_active": 200,
         *       "rate_effective": 5,
         *       "rate_per_second": 5,
         *       "seats_left": 2580,
         *       "state": "open",
         *       "total_in_queue": 340
         *     }
         */
        QueueStatus: {
            /**
             * Format: uint64
             * @description Passes that are neither used nor expired.
             */
            active_passes: number;
            event_id: components["schemas"]["EventId"];
            /**
             * Format: uint32
             * @description Max active passes.
             */
            max_active: number;
            /** @description The operator's message to all users. */
            message?: string;
            /**
             * Format: double
             * @description The release rate that the load of booking allows; 0 while no booking process is live.
             */
            rate_effective: number;
            /**
             * Format: double
             * @description The configured release rate.
             */
            rate_per_second: number;
            /**
             * Format: uint64
             * @description Seats that can be reserved now, in all zones.
             */
            seats_left: number;
            state: components["schemas"]["SaleState"];
            /**
             * Format: uint64
             * @description Users in the queue without a pass.
             */
            total_in_queue: number;
        };
        /**
         * @description A booking as the bearer of its code sees it: without its user.
         * @example {
         *       "booking_id": "0197a4c7-11d2-7b60-8e4f-93a5c0b7d201",
         *       "confirmed_at": "2026-06-01T18:02:40.002Z",
         *       "created_at": "2026-06-01T18:00:12.345Z",
         *       "currency": "EUR",
         *       "currency_digits": 2,
         *       "event_id": "d0000000-0000-0001-0000-000000000000",
         *       "expires_at": "2026-06-01T18:05:12.345Z",
         *       "quantity": 2,
         *       "show_id": "d1000000-0000-0001-0000-000000000000",
         *       "status": "confirmed",
         *       "total_price": 17800,
         *       "unit_price": 8900,
         *       "zone_id": "d2000000-0000-0001-0002-000000000000"
         *     }
         */
        RecoveredBooking: {
            booking_id: components["schemas"]["BookingId"];
            confirmed_at?: components["schemas"]["Timestamp"];
            created_at: components["schemas"]["Timestamp"];
            currency: components["schemas"]["Currency"];
            /**
             * Format: uint8
             * @description Decimals of the currency's minor unit, by ISO 4217.
             */
            currency_digits: number;
            event_id: components["schemas"]["EventId"];
            expires_at: components["schemas"]["Timestamp"];
            /** Format: uint32 */
            quantity: number;
            show_id: components["schemas"]["ShowId"];
            status: components["schemas"]["BookingStatus"];
            /**
             * Format: int64
             * @description In minor units.
             */
            total_price: number;
            /**
             * Format: int64
             * @description In minor units.
             */
            unit_price: number;
            zone_id: components["schemas"]["ZoneId"];
        };
        /** @description 16 letters and digits. Spaces, dashes and case do not matter; O is read as 0, I and L as 1. */
        RecoveryCode: string;
        /**
         * @description Seats to reserve.
         * @example {
         *       "event_id": "d0000000-0000-0001-0000-000000000000",
         *       "quantity": 2,
         *       "show_id": "d1000000-0000-0001-0000-000000000000",
         *       "zone_id": "d2000000-0000-0001-0002-000000000000"
         *     }
         */
        Reserve: {
            event_id: components["schemas"]["EventId"];
            /** Format: int64 */
            quantity: number;
            /** @description The pass, if it is not in the header. */
            queue_pass?: string | null;
            show_id: components["schemas"]["ShowId"];
            /**
             * Format: double
             * @description Only the form is checked: the price is that of the catalogue.
             */
            unit_price?: number | null;
            zone_id: components["schemas"]["ZoneId"];
        };
        /**
         * @description Alternatives to reserve one of.
         * @example {
         *       "event_id": "d0000000-0000-0001-0000-000000000000",
         *       "options": [
         *         {
         *           "quantity": 2,
         *           "zone_id": "d2000000-0000-0001-0002-000000000000"
         *         }
         *       ]
         *     }
         */
        ReserveFirst: {
            event_id: components["schemas"]["EventId"];
            /** @description Seat preferences, best first. */
            options: components["schemas"]["WishItem"][];
            /** @description The pass, if it is not in the header. */
            queue_pass?: string | null;
        };
        /**
         * @description Identifies a value by its content; the entity tag of HTTP without its quotes.
         * @example 5f2b81c09a7e4d36
         */
        Revision: string;
        /**
         * @description What a process does.
         * @enum {string}
         */
        Role: "gateway" | "booking" | "queue-worker";
        /** @description The state of a sale. */
        SaleNews: {
            event_id: components["schemas"]["EventId"];
            /** @description The operator's message to all users. */
            message?: string;
            state: components["schemas"]["SaleState"];
        };
        /**
         * @description The state of a sale: `open` accepts joins and releases users, `paused` and `sold_out` accept
         *     joins only, `scheduled` and `closed` do neither.
         * @enum {string}
         */
        SaleState: "scheduled" | "open" | "paused" | "sold_out" | "closed";
        /** @description One date of an event. */
        Show: {
            name: string;
            show_id: components["schemas"]["ShowId"];
            starts_at: null | components["schemas"]["Timestamp"];
            /** @description The same as the clocks at the venue show it; absent if the event's `time_zone` is. */
            starts_at_local?: components["schemas"]["WallTime"];
            zones: components["schemas"]["Zone"][];
        };
        /**
         * Format: uuid
         * @description One date of an event.
         */
        ShowId: string;
        /**
         * @description The result of a rebuild.
         * @example {
         *       "corrected": 0,
         *       "events": 1,
         *       "holds": 3,
         *       "zones": 8
         *     }
         */
        Synced: {
            /**
             * Format: uint64
             * @description Zones whose seats differed from the database.
             */
            corrected: number;
            /**
             * Format: uint64
             * @description Events rebuilt.
             */
            events: number;
            /**
             * Format: uint64
             * @description Live holds.
             */
            holds: number;
            /**
             * Format: uint64
             * @description Zones of these events.
             */
            zones: number;
        };
        /**
         * @description Why queues move slower than configured: `slowed` if booking is or was overloaded, `paused` if
         *     nothing can be booked.
         * @enum {string}
         */
        ThrottleReason: "slowed" | "paused";
        /**
         * Format: date-time
         * @description RFC 3339 in UTC.
         */
        Timestamp: string;
        /** @description A time zone of the IANA database, for example `Europe/Oslo`. */
        TimeZone: string;
        /** @description A token. */
        Token: {
            /** @description When the token expires. */
            expires_at: components["schemas"]["Timestamp"];
            /** @description For `Authorization: Bearer` and the `connect` of the WebSocket. */
            token: string;
            user_id: components["schemas"]["UserId"];
        };
        /** @description The `sub` of a JWT: printable characters, with spaces inside only. Only guests have names that begin with `guest-`. */
        UserId: string;
        /**
         * @description The time within which the user gets a pass with a probability of 95 %, in seconds from now.
         *     Absent if no end can be estimated.
         */
        WaitRange: {
            /**
             * Format: uint32
             * @description Hardly later at the queue's current speed; in seconds.
             */
            high: number;
            /**
             * Format: uint32
             * @description Hardly sooner; in seconds.
             */
            low: number;
        };
        /**
         * @description Why a wait is longer than before: the sale is `paused` or `sold_out`, the queue has `slowed`,
         *     users ahead have `returned`, or the queue is being rebuilt (`counting`: the position is an upper
         *     bound). `slowed` and `returned` occur in streams only. Later versions may add reasons.
         * @enum {string}
         */
        WaitReason: "paused" | "sold_out" | "slowed" | "returned" | "counting";
        /** @description What the clocks at the venue show: date and time without an offset. */
        WallTime: string;
        /** @description One seat preference. */
        WishItem: {
            /**
             * Format: uint32
             * @description The number of seats.
             */
            quantity: number;
            show_id?: null | components["schemas"]["ShowId"];
            /** @description The zone. */
            zone_id: components["schemas"]["ZoneId"];
        };
        /** @description A block of interchangeable seats. */
        Zone: {
            /**
             * Format: uint32
             * @description Seats that can be reserved now.
             */
            available: number;
            /**
             * Format: uint32
             * @description All seats.
             */
            capacity: number;
            currency: components["schemas"]["Currency"];
            /**
             * Format: uint8
             * @description Decimals of the currency's minor unit, by ISO 4217.
             */
            currency_digits: number;
            name: string;
            /**
             * Format: int64
             * @description Price of one seat, in minor units.
             */
            unit_price: number;
            zone_id: components["schemas"]["ZoneId"];
        };
        /** @description The available seats of a zone. */
        ZoneAvailability: {
            /**
             * Format: uint32
             * @description Seats that can be reserved.
             */
            available: number;
            zone_id: components["schemas"]["ZoneId"];
        };
        /**
         * Format: uuid
         * @description A block of interchangeable seats of one show.
         */
        ZoneId: string;
        /** @description The seats of one zone. */
        ZoneInventory: {
            /**
             * Format: uint32
             * @description All seats.
             */
            capacity: number;
            database: {
                /** Format: uint32 */
                available: number;
                /** Format: uint32 */
                confirmed: number;
                /** Format: uint32 */
                held: number;
            };
            /**
             * Format: int64
             * @description The seats of the engine minus those of the database.
             */
            drift: number;
            event_id: components["schemas"]["EventId"];
            redis: {
                /**
                 * Format: uint32
                 * @description According to the engine, on any backend.
                 */
                available: number;
            };
            show_id: components["schemas"]["ShowId"];
            zone_id: components["schemas"]["ZoneId"];
        };
        /** @description The seats left in the zone of a seat preference. */
        ZoneLeft: {
            /**
             * Format: uint32
             * @description Seats that can be reserved.
             */
            available: number;
            /** @description The show, if the preference named it. */
            show_id?: components["schemas"]["ShowId"];
            /** @description The zone. */
            zone_id: components["schemas"]["ZoneId"];
        };
    };
    responses: never;
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type AdmissionStatus = components['schemas']['AdmissionStatus'];
export type Appearance = components['schemas']['Appearance'];
export type AppearancePatch = components['schemas']['AppearancePatch'];
export type AuditEntry = components['schemas']['AuditEntry'];
export type Availability = components['schemas']['Availability'];
export type Booking = components['schemas']['Booking'];
export type BookingCode = components['schemas']['BookingCode'];
export type BookingId = components['schemas']['BookingId'];
export type BookingPage = components['schemas']['BookingPage'];
export type BookingRecovery = components['schemas']['BookingRecovery'];
export type BookingStatus = components['schemas']['BookingStatus'];
export type BookingSummary = components['schemas']['BookingSummary'];
export type BookingVitals = components['schemas']['BookingVitals'];
export type Code = components['schemas']['Code'];
export type Conflict = components['schemas']['Conflict'];
export type Currency = components['schemas']['Currency'];
export type CurrencyInUse = components['schemas']['CurrencyInUse'];
export type DevelopmentUser = components['schemas']['DevelopmentUser'];
export type Event = components['schemas']['Event'];
export type EventHead = components['schemas']['EventHead'];
export type EventId = components['schemas']['EventId'];
export type EventQueueSettings = components['schemas']['EventQueueSettings'];
export type Figures = components['schemas']['Figures'];
export type Forecast = components['schemas']['Forecast'];
export type GuestMajority = components['schemas']['GuestMajority'];
export type History = components['schemas']['History'];
export type InventoryStatus = components['schemas']['InventoryStatus'];
export type Join = components['schemas']['Join'];
export type Leave = components['schemas']['Leave'];
export type Left = components['schemas']['Left'];
export type LiveProcess = components['schemas']['LiveProcess'];
export type Moment = components['schemas']['Moment'];
export type Name = components['schemas']['Name'];
export type NewEvent = components['schemas']['NewEvent'];
export type NewShow = components['schemas']['NewShow'];
export type NewZone = components['schemas']['NewZone'];
export type NodeId = components['schemas']['NodeId'];
export type NoForecast = components['schemas']['NoForecast'];
export type OperatedEvent = components['schemas']['OperatedEvent'];
export type PassId = components['schemas']['PassId'];
export type Place = components['schemas']['Place'];
export type Problem = components['schemas']['Problem'];
export type Process = components['schemas']['Process'];
export type ProcessStatus = components['schemas']['ProcessStatus'];
export type PushKey = components['schemas']['PushKey'];
export type PushSubscribed = components['schemas']['PushSubscribed'];
export type PushSubscription = components['schemas']['PushSubscription'];
export type PushSubscriptionKeys = components['schemas']['PushSubscriptionKeys'];
export type QueueOverview = components['schemas']['QueueOverview'];
export type QueuePatch = components['schemas']['QueuePatch'];
export type QueueSettings = components['schemas']['QueueSettings'];
export type QueueStatus = components['schemas']['QueueStatus'];
export type RecoveredBooking = components['schemas']['RecoveredBooking'];
export type RecoveryCode = components['schemas']['RecoveryCode'];
export type Reserve = components['schemas']['Reserve'];
export type ReserveFirst = components['schemas']['ReserveFirst'];
export type Revision = components['schemas']['Revision'];
export type Role = components['schemas']['Role'];
export type SaleNews = components['schemas']['SaleNews'];
export type SaleState = components['schemas']['SaleState'];
export type Show = components['schemas']['Show'];
export type ShowId = components['schemas']['ShowId'];
export type Synced = components['schemas']['Synced'];
export type ThrottleReason = components['schemas']['ThrottleReason'];
export type Timestamp = components['schemas']['Timestamp'];
export type TimeZone = components['schemas']['TimeZone'];
export type Token = components['schemas']['Token'];
export type UserId = components['schemas']['UserId'];
export type WaitRange = components['schemas']['WaitRange'];
export type WaitReason = components['schemas']['WaitReason'];
export type WallTime = components['schemas']['WallTime'];
export type WishItem = components['schemas']['WishItem'];
export type Zone = components['schemas']['Zone'];
export type ZoneAvailability = components['schemas']['ZoneAvailability'];
export type ZoneId = components['schemas']['ZoneId'];
export type ZoneInventory = components['schemas']['ZoneInventory'];
export type ZoneLeft = components['schemas']['ZoneLeft'];
