//! What can be wrong with a profile.

pub type Result<T, E = Error> = std::result::Result<T, E>;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file is not TOML.
    #[error("profile `{profile}` cannot be read: {reason}")]
    Toml { profile: String, reason: String },

    /// A key that no profile has.
    #[error("profile `{profile}` has an option `{key}` that is not known{}", .hint.as_ref().map(|h| format!(", did you mean `{h}`?")).unwrap_or_default())]
    UnknownOption { profile: String, key: String, hint: Option<String> },

    /// A value of another type, or outside the option's range.
    #[error("profile `{profile}`: `{key}` is {found}, and must be {expected}")]
    Value { profile: String, key: String, found: String, expected: String },

    /// The profile asks for CPUs that the process may not use.
    #[error("profile `{profile}` names CPUs {wanted}, of which the process may use none; it may use {usable}")]
    NoCpu { profile: String, wanted: String, usable: String },
}
