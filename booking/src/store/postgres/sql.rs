//! Parts of this database's statements.

/// The database's clock when the statement began, in milliseconds.
macro_rules! database_now {
    () => {
        "floor(extract(epoch FROM statement_timestamp()) * 1000)::bigint"
    };
}
pub(super) use database_now;

/// Moves the seats of the rows that a statement has `changed` away from the held ones, as parts of
/// the same statement. Zones are locked last and by their ids.
macro_rules! seats_of_changed {
    () => {
        "change AS (
    SELECT zone_id, sum(quantity) AS held, sum(CASE WHEN status = 'confirmed' THEN quantity ELSE 0 END) AS confirmed
    FROM changed GROUP BY zone_id
), locked AS (
    SELECT zones.zone_id, change.held, change.confirmed FROM zones JOIN change ON change.zone_id = zones.zone_id
    ORDER BY zones.zone_id FOR NO KEY UPDATE OF zones
), counted AS (
    UPDATE zones SET held = zones.held - locked.held, confirmed = zones.confirmed + locked.confirmed
    FROM locked WHERE zones.zone_id = locked.zone_id
)"
    };
}
pub(super) use seats_of_changed;

/// A column of Unix milliseconds as RFC 3339, without zeroes at the end of the fraction.
macro_rules! rfc_3339 {
    ($column:literal) => {
        concat!(
            "rtrim(rtrim(to_char(TIMESTAMP 'epoch' + ",
            $column,
            " * INTERVAL '1 millisecond', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS'), '0'), '.') || 'Z'"
        )
    };
}
pub(super) use rfc_3339;

/// The decimals of a currency's minor unit, as `Currency::digits` says them.
macro_rules! currency_digits {
    () => {
        "CASE WHEN currency IN ('BIF', 'CLP', 'DJF', 'GNF', 'ISK', 'JPY', 'KMF', 'KRW', 'PYG', 'RWF', 'UGX', 'UYI', 'VND',
        'VUV', 'XAF', 'XOF', 'XPF') THEN 0
        WHEN currency IN ('BHD', 'IQD', 'JOD', 'KWD', 'LYD', 'OMR', 'TND') THEN 3
        WHEN currency IN ('CLF', 'UYW') THEN 4
        ELSE 2 END"
    };
}
pub(super) use currency_digits;

/// The messages of the rows that a statement has `changed`, as an outbox batch: to the letter those
/// of `Booking::message` and `outbox::encode`. `chr(123)` is a brace: this is part of formats too.
macro_rules! messages_of_changed {
    () => {
        concat!(
            "string_agg(booking_id || ':' || status || E'\\tbookings.' || status || E'\\t' || chr(123)
        || '\"booking_id\":\"' || booking_id || '\",\"event_id\":\"' || event_id || '\",\"show_id\":\"' || show_id
        || '\",\"zone_id\":\"' || zone_id || '\",\"user_id\":' || to_json(user_id) || ',\"quantity\":' || quantity
        || ',\"unit_price\":' || unit_price || ',\"total_price\":' || unit_price * quantity
        || ',\"currency\":\"' || currency || '\",\"currency_digits\":' || ",
            $crate::store::postgres::sql::currency_digits!(),
            " || ',\"status\":\"' || status
        || '\",\"created_at\":\"' || ",
            $crate::store::postgres::sql::rfc_3339!("created_at_ms"),
            " || '\",\"expires_at\":\"' || ",
            $crate::store::postgres::sql::rfc_3339!("expires_at_ms"),
            " || COALESCE('\",\"confirmed_at\":\"' || ",
            $crate::store::postgres::sql::rfc_3339!("confirmed_at_ms"),
            ", '') || '\"' || chr(125) || E'\\n', '')"
        )
    };
}
pub(super) use messages_of_changed;

#[cfg(test)]
mod tests {
    use crate::model::money::Currency;

    /// What the expression says of a code.
    fn digits(code: &str) -> u8 {
        let quoted = format!("'{code}'");
        let named = currency_digits!()
            .split("WHEN currency IN ")
            .find(|case| case.contains(&quoted));
        named.map_or(2, |case| {
            let (_, then) = case.split_once("THEN ").unwrap();
            then[..1].parse().unwrap()
        })
    }

    #[test]
    fn digits_are_those_of_the_list() {
        for currency in Currency::all() {
            assert_eq!(digits(currency.as_str()), currency.digits(), "{currency}");
        }
        assert_eq!([digits("JPY"), digits("KWD"), digits("EUR")], [0, 3, 2]);
    }
}
