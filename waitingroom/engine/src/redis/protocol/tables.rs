//! The macros that turn table rows into types.

macro_rules! arguments {
    ($($(#[$doc:meta])* $Name:ident $(<$life:lifetime>)? {
        $($(#[$field_doc:meta])* $field:ident: $type:ty,)*
    })*) => {$(
        $(#[$doc])*
        pub(super) struct $Name $(<$life>)? {
            $($(#[$field_doc])* pub(super) $field: $type,)*
        }

        impl $(<$life>)? Argument for $Name $(<$life>)? {
            fn append_to(&self, _call: &mut Cmd) {
                $(self.$field.append_to(_call);)*
            }
        }

        impl $(<$life>)? Lua for $Name $(<$life>)? {
            fn lua() -> String {
                lua::arguments(&[$(stringify!($field)),*])
            }
        }
    )*};
}

macro_rules! argument_lists {
    ($($(#[$doc:meta])* $Name:ident $(<$life:lifetime>)? as $lua:ident {
        $($(#[$field_doc:meta])* $field:ident: $type:ty,)*
    })*) => {$(
        $(#[$doc])*
        pub(super) struct $Name $(<$life>)? {
            $($(#[$field_doc])* pub(super) $field: $type,)*
        }

        impl $(<$life>)? Argument for $Name $(<$life>)? {
            fn append_to(&self, call: &mut Cmd) {
                $(self.$field.append_to(call);)*
            }
        }

        impl $(<$life>)? Lua for $Name $(<$life>)? {
            fn lua() -> String {
                lua::argument_list(stringify!($lua), &[$(stringify!($field)),*])
            }
        }
    )*};
}

macro_rules! tagged_arguments {
    ($(#[$doc:meta])* $Name:ident<$life:lifetime> as $lua:ident {
        $($(#[$variant_doc:meta])* $Variant:ident as $kind:ident = $code:literal {
            $($field:ident: $type:ty,)*
        })*
    }) => {
        $(#[$doc])*
        pub(super) enum $Name<$life> {
            $($(#[$variant_doc])* $Variant { $($field: $type,)* },)*
        }

        impl<$life> Argument for $Name<$life> {
            fn append_to(&self, call: &mut Cmd) {
                match self {
                    $(Self::$Variant { $($field),* } => {
                        call.arg($code);
                        $($field.append_to(call);)*
                    })*
                }
            }
        }

        impl<$life> Lua for $Name<$life> {
            fn lua() -> String {
                lua::tagged_arguments(
                    stringify!($lua),
                    &[$((stringify!($kind), $code, &[$(stringify!($field)),*])),*],
                )
            }
        }
    };
}

macro_rules! argument_codes {
    ($($(#[$doc:meta])* $Name:ident as $lua:ident {
        $($(#[$variant_doc:meta])* $Variant:ident as $name:ident = $code:literal,)*
    })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy)]
        pub(super) enum $Name {
            $($(#[$variant_doc])* $Variant,)*
        }

        impl Argument for $Name {
            fn append_to(&self, call: &mut Cmd) {
                call.arg(match self {
                    $(Self::$Variant => $code,)*
                });
            }
        }

        impl Lua for $Name {
            fn lua() -> String {
                lua::codes(stringify!($lua), &[$((stringify!($name), format!("'{}'", $code))),*])
            }
        }
    )*};
}

macro_rules! packed {
    ($($(#[$doc:meta])* $Name:ident<$life:lifetime> as $lua:ident {
        $($field:ident: $type:ty,)*
    })*) => {$(
        $(#[$doc])*
        pub(super) struct $Name<$life> {
            $(pub(super) $field: $type,)*
        }

        impl $Name<'_> {
            /// As it is stored.
            pub(super) fn pack(&self) -> String {
                [$(values::Packed::to_part(&self.$field)),*].join("\t")
            }
        }

        impl<$life> Lua for $Name<$life> {
            fn lua() -> String {
                lua::packed(
                    stringify!($lua),
                    &[$((stringify!($field), <$type as values::Packed>::IS_NUMBER)),*],
                )
            }
        }
    )*};
}

macro_rules! replies {
    ($($(#[$doc:meta])* $Name:ident as $lua:ident {
        $($(#[$field_doc:meta])* $field:ident: $type:ty,)*
    })*) => {$(
        $(#[$doc])*
        pub(super) struct $Name {
            $($(#[$field_doc])* pub(super) $field: $type,)*
        }

        impl ReplyValue for $Name {
            fn read(reply: &mut Reply) -> Result<Self, EngineError> {
                Ok(Self {
                    $($field: ReplyValue::read(reply)?,)*
                })
            }
        }

        impl Lua for $Name {
            fn lua() -> String {
                lua::reply(stringify!($lua), &[$(stringify!($field)),*])
            }
        }
    )*};
}

macro_rules! reply_codes {
    ($($(#[$doc:meta])* $Name:ident as $lua:ident {
        $($(#[$variant_doc:meta])* $Variant:ident $(($value:ty))? as $name:ident = $code:literal,)*
    })*) => {$(
        $(#[$doc])*
        pub(super) enum $Name {
            $($(#[$variant_doc])* $Variant $(($value))?,)*
        }

        impl ReplyValue for $Name {
            fn read(reply: &mut Reply) -> Result<Self, EngineError> {
                match u8::read(reply)? {
                    $($code => Ok(Self::$Variant $((<$value>::read(reply)?))?),)*
                    _ => Err(values::malformed_reply()),
                }
            }
        }

        impl Lua for $Name {
            fn lua() -> String {
                lua::codes(stringify!($lua), &[$((stringify!($name), $code.to_string())),*])
            }
        }
    )*};
}
