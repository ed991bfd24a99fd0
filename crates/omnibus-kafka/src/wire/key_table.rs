//! What the generated table of API keys expands to.

macro_rules! api_keys {
    ($($name:ident = $number:literal,
       served $served_min:literal..=$served_max:literal,
       advertised $advertised_min:literal..=$advertised_max:literal,
       flexible $flexible:expr;)*) => {
        /// What a request asks for.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(i16)]
        pub enum ApiKey {
            $($name = $number,)*
        }

        impl ApiKey {
            /// Every key, in ascending order.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// Returns the key of this number, if the codec knows it.
            #[must_use]
            pub const fn from_number(number: i16) -> Option<Self> {
                match number {
                    $($number => Some(Self::$name),)*
                    _ => None,
                }
            }

            /// Returns the number on the wire.
            #[must_use]
            pub const fn number(self) -> i16 {
                self as i16
            }

            /// Returns Kafka's name.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)*
                }
            }

            /// Returns the stable versions that the codec speaks.
            #[must_use]
            pub const fn served(self) -> Versions {
                match self {
                    $(Self::$name => Versions { min: $served_min, max: $served_max },)*
                }
            }

            /// Returns the versions to list in ApiVersions; for a few keys from below the served ones.
            #[must_use]
            pub const fn advertised(self) -> Versions {
                match self {
                    $(Self::$name => Versions { min: $advertised_min, max: $advertised_max },)*
                }
            }

            /// Returns the first version with compact lengths and tagged fields; `i16::MAX` if none has.
            #[must_use]
            pub const fn flexible_from(self) -> i16 {
                match self {
                    $(Self::$name => $flexible,)*
                }
            }
        }

        impl std::fmt::Display for ApiKey {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.name())
            }
        }
    };
}

pub(super) use api_keys;
