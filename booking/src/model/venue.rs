//! Where an event takes place: its venue, its city, and the time zone in which its times are meant.

use std::str::FromStr;

use jiff::{
    civil::{DateTime, Weekday},
    tz::TimeZone,
};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::json;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{RefOr, Schema},
};
use waitingroom_domain::{clock::Timestamp, schema::openapi_schema};

/// All of it may be unknown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Venue {
    /// The house or ground.
    pub name: Option<String>,
    /// The city.
    pub city: Option<String>,
    /// The zone of its clocks.
    pub time_zone: Option<VenueTimeZone>,
}

impl Venue {
    /// Venue and city in one line, as far as they are known.
    pub fn line(&self) -> Option<String> {
        let known: Vec<&str> = [&self.name, &self.city]
            .into_iter()
            .filter_map(|part| part.as_deref())
            .collect();
        (!known.is_empty()).then(|| known.join(", "))
    }

    /// What the clocks at the venue show at that moment, if its zone is known.
    pub fn wall_time(&self, at: Timestamp) -> Option<WallTime> {
        self.time_zone.as_ref()?.wall_time(at)
    }
}

/// A time zone of the IANA database, which is built into the program: every process knows the same
/// zones, whatever the host has.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct VenueTimeZone(TimeZone);

/// A name that the IANA database does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be the name of a time zone in the IANA database, for example Europe/Oslo")]
pub struct UnknownTimeZone;

/// A time that the zone's clocks leave out, because they are set forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("does not exist in this time zone: its clocks are set forward then")]
pub struct SkippedTime;

impl VenueTimeZone {
    /// The name in the database.
    pub fn name(&self) -> &str {
        self.0
            .iana_name()
            .expect("every zone was found by its name")
    }

    /// What the zone's clocks show at that moment; `None` beyond the year 9999.
    pub fn wall_time(&self, at: Timestamp) -> Option<WallTime> {
        let moment = jiff::Timestamp::from_millisecond(at.millis()).ok()?;
        Some(WallTime(self.0.to_datetime(moment)))
    }

    /// The moment at which the zone's clocks show this time; the first, if they show it twice.
    ///
    /// # Errors
    /// They never show it.
    pub fn moment(&self, shown: WallTime) -> Result<Timestamp, SkippedTime> {
        let moment = self
            .0
            .to_ambiguous_timestamp(shown.0)
            .compatible()
            .map_err(|_| SkippedTime)?;
        if self.0.to_datetime(moment) != shown.0 {
            return Err(SkippedTime);
        }
        Ok(Timestamp::from_millis(moment.as_millisecond()))
    }

    /// The moment of the next such day at this hour, later than the day of `now`.
    pub(crate) fn next(&self, weekday: Weekday, hour: i8, now: Timestamp) -> Option<Timestamp> {
        let today = self.wall_time(now)?.0.date();
        let day = today.nth_weekday(1, weekday).ok()?;
        self.moment(WallTime(day.at(hour, 0, 0, 0))).ok()
    }
}

impl FromStr for VenueTimeZone {
    type Err = UnknownTimeZone;
    fn from_str(name: &str) -> Result<Self, UnknownTimeZone> {
        let zone = TimeZone::get(name).map_err(|_| UnknownTimeZone)?;
        // The database has an entry for hosts that were not set up.
        let is_place = zone.iana_name().is_some_and(|name| name != "Factory");
        if is_place && !zone.is_unknown() {
            Ok(Self(zone))
        } else {
            Err(UnknownTimeZone)
        }
    }
}

impl TryFrom<String> for VenueTimeZone {
    type Error = UnknownTimeZone;
    fn try_from(name: String) -> Result<Self, UnknownTimeZone> {
        name.parse()
    }
}

impl Serialize for VenueTimeZone {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl PartialSchema for VenueTimeZone {
    fn schema() -> RefOr<Schema> {
        openapi_schema(json!({
            "type": "string",
            "minLength": 1,
            "maxLength": 64,
            "pattern": "^[A-Za-z0-9_+/-]+$",
            "description": "A time zone of the IANA database, for example `Europe/Oslo`.",
        }))
    }
}

impl ToSchema for VenueTimeZone {
    fn name() -> std::borrow::Cow<'static, str> {
        "TimeZone".into()
    }
}

/// What a clock on a wall shows: date and time without an offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct WallTime(DateTime);

/// A text that is no date and time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a date and a time without an offset, for example 2030-05-03T20:00")]
pub struct InvalidWallTime;

impl FromStr for WallTime {
    type Err = InvalidWallTime;
    fn from_str(text: &str) -> Result<Self, InvalidWallTime> {
        let shape: String = text
            .chars()
            .map(|c| if c.is_ascii_digit() { '0' } else { c })
            .collect();
        let form = match shape.as_str() {
            "0000-00-00T00:00:00" => "%Y-%m-%dT%H:%M:%S",
            "0000-00-00T00:00" => "%Y-%m-%dT%H:%M",
            _ => return Err(InvalidWallTime),
        };
        DateTime::strptime(form, text)
            .map(Self)
            .map_err(|_| InvalidWallTime)
    }
}

impl TryFrom<String> for WallTime {
    type Error = InvalidWallTime;
    fn try_from(text: String) -> Result<Self, InvalidWallTime> {
        text.parse()
    }
}

impl Serialize for WallTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0.strftime("%Y-%m-%dT%H:%M:%S"))
    }
}

impl PartialSchema for WallTime {
    fn schema() -> RefOr<Schema> {
        openapi_schema(json!({
            "type": "string",
            "pattern": r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2})?$",
            "description": "What the clocks at the venue show: date and time without an offset.",
        }))
    }
}

impl ToSchema for WallTime {
    fn name() -> std::borrow::Cow<'static, str> {
        "WallTime".into()
    }
}

impl WallTime {
    /// To the minute, for people: `2030-05-03 20:00`.
    pub fn to_minute(self) -> String {
        self.0.strftime("%Y-%m-%d %H:%M").to_string()
    }

    #[cfg(test)]
    pub(crate) fn weekday(self) -> Weekday {
        self.0.date().weekday()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone(name: &str) -> VenueTimeZone {
        name.parse().unwrap()
    }

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    #[test]
    fn knows_zones_of_database_only() {
        for (given, name) in [
            ("Europe/Oslo", "Europe/Oslo"),
            ("asia/bangkok", "Asia/Bangkok"),
            ("UTC", "UTC"),
        ] {
            assert_eq!(zone(given).name(), name);
        }

        for unknown in [
            "",
            "Europe/Atlantis",
            "Factory",
            "Etc/Unknown",
            "+02:00",
            "CEST-2",
        ] {
            assert_eq!(
                unknown.parse::<VenueTimeZone>(),
                Err(UnknownTimeZone),
                "{unknown}"
            );
        }
    }

    #[test]
    fn converts_wall_time_and_moment() {
        let (oslo, shown) = (zone("Europe/Oslo"), |text: &str| {
            text.parse::<WallTime>().unwrap()
        });

        for (local, utc) in [
            ("2030-05-03T20:00", "2030-05-03T18:00:00Z"),
            ("2030-01-04T20:00:00", "2030-01-04T19:00:00Z"),
            // Shown twice: the first.
            ("2030-10-27T02:30", "2030-10-27T00:30:00Z"),
        ] {
            assert_eq!(oslo.moment(shown(local)), Ok(at(utc)), "{local}");
            assert_eq!(oslo.wall_time(at(utc)), Some(shown(local)));
        }
        assert_eq!(oslo.moment(shown("2030-03-31T02:30")), Err(SkippedTime));
        assert_eq!(shown("2030-05-03T20:00").to_minute(), "2030-05-03 20:00");
    }

    #[test]
    fn rejects_what_is_no_wall_time() {
        for bad in [
            "",
            "tomorrow",
            "2030-05-03",
            "2030-05-03T20:00Z",
            "2030-05-03T20:00+02:00",
            "2030-13-03T20:00",
            "2030-05-03T25:00",
        ] {
            assert_eq!(bad.parse::<WallTime>(), Err(InvalidWallTime), "{bad}");
        }
    }

    #[test]
    fn next_weekday_is_of_the_zone() {
        let (auckland, now) = (zone("Pacific/Auckland"), at("2026-11-26T22:00:00Z"));
        let friday = auckland.next(Weekday::Friday, 20, now).unwrap();
        // It is Friday there already: the next is in a week.
        assert_eq!(friday, at("2026-12-04T07:00:00Z"));
    }
}
