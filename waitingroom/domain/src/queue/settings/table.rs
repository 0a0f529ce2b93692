//! The macro that turns the table of settings into types.

/// `values` have a default and may have a range; `texts` are absent by default. Attributes of the
/// two structs are passed on, and so are those of a setting, to both of its fields.
macro_rules! settings {
    (
        $(#[$settings_attribute:meta])* $Settings:ident,
        $(#[$patch_attribute:meta])* $Patch:ident,
        values {
            $(
                $(#[$value_attribute:meta])*
                $value:ident: $type:ty = $default:expr,
                    $(any)? $($min:literal..=$max:literal)?,
                    $value_meaning:literal;
            )*
        }
        texts {
            $(
                $(#[$text_attribute:meta])*
                $text:ident: up to $max_characters:literal characters,
                    $text_meaning:literal;
            )*
        }
    ) => {
        $(#[$settings_attribute])*
        pub struct $Settings {
            $(
                #[doc = $value_meaning]
                $(#[$value_attribute])*
                pub $value: $type,
            )*
            $(
                #[doc = $text_meaning]
                $(#[$text_attribute])*
                pub $text: Option<String>,
            )*
        }

        impl Default for $Settings {
            fn default() -> Self {
                Self {
                    $($value: $default,)*
                    $($text: None,)*
                }
            }
        }

        $(#[$patch_attribute])*
        pub struct $Patch {
            $(
                #[doc = $value_meaning]
                $(#[doc = concat!("From ", stringify!($min), " to ", stringify!($max), ".")])?
                $(#[$value_attribute])*
                pub $value: Option<$type>,
            )*
            $(
                #[doc = $text_meaning]
                #[doc = concat!("At most ", stringify!($max_characters), " characters; an empty text or `null` removes it.")]
                #[serde(default, deserialize_with = "text_or_none")]
                $(#[$text_attribute])*
                pub $text: Option<String>,
            )*
        }

        impl $Settings {
            /// The name of each setting, on the wire and in Redis.
            pub const NAMES: &[&str] = &[$(stringify!($value),)* $(stringify!($text),)*];

            /// The settings that may be absent.
            pub const OPTIONAL_NAMES: &[&str] = &[$(stringify!($text),)*];

            /// Name, values, default and meaning of each setting.
            pub fn descriptions() -> Vec<SettingDescription> {
                let defaults = Self::default();
                vec![
                    $(SettingDescription {
                        name: stringify!($value),
                        values: <$type as SettingValue>::values(None$(.or(Some($min..=$max)))?),
                        default: Some(defaults.$value.to_text()),
                        meaning: $value_meaning,
                    },)*
                    $(SettingDescription {
                        name: stringify!($text),
                        values: SettingValues::Text { max_characters: $max_characters },
                        default: None,
                        meaning: $text_meaning,
                    },)*
                ]
            }

            /// Name and text of each setting that is present, for a store of texts.
            pub fn to_fields(&self) -> Vec<(&'static str, String)> {
                let values = [$((stringify!($value), self.$value.to_text()),)*];
                let texts = [$(self.$text.clone().map(|text| (stringify!($text), text)),)*];
                values.into_iter().chain(texts.into_iter().flatten()).collect()
            }

            /// From the fields of a store. Missing ones, as an earlier release left them, have
            /// their defaults; nothing for a field that is no setting or has no such value.
            pub fn from_fields(fields: impl IntoIterator<Item = (String, String)>) -> Option<Self> {
                let mut settings = Self::default();
                for (name, text) in fields {
                    match name.as_str() {
                        $(stringify!($value) => settings.$value = SettingValue::from_text(&text)?,)*
                        $(stringify!($text) => settings.$text = Some(text),)*
                        _ => return None,
                    }
                }

                Some(settings)
            }

            /// These settings with the patch applied.
            ///
            /// # Errors
            /// The first setting outside its range; nothing is changed then.
            pub fn with(&self, patch: &$Patch) -> Result<Self, InvalidSetting> {
                patch.check()?;
                Ok(Self {
                    $($value: patch.$value.unwrap_or(self.$value),)*
                    $($text: patched_text(self.$text.as_deref(), patch.$text.as_deref()),)*
                })
            }
        }

        impl $Patch {
            fn check(&self) -> Result<(), InvalidSetting> {
                $($(check_value(stringify!($value), self.$value, $min..=$max)?;)?)*
                $(check_text(stringify!($text), self.$text.as_deref(), $max_characters)?;)*
                Ok(())
            }
        }
    };
}

pub(super) use settings;
