//! Pinot's query error codes: number, name, and the HTTP status that a client gets when it asks for one.

use std::fmt;

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $code:literal, $name:literal, $message:literal, $status:literal;)*) => {
        /// A query error as Pinot's clients know it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum ErrorCode { $($(#[$doc])* $variant,)* }

        impl ErrorCode {
            /// Every code, by number.
            pub const ALL: &[ErrorCode] = &[$(ErrorCode::$variant),*];

            /// The number in `exceptions[].errorCode` and the header `X-Pinot-Error-Code`.
            pub fn code(self) -> i32 {
                match self { $(ErrorCode::$variant => $code,)* }
            }

            /// The name in Pinot's sources and documents.
            pub fn name(self) -> &'static str {
                match self { $(ErrorCode::$variant => $name,)* }
            }

            /// What Pinot says before the message of the error; may be empty.
            pub fn title(self) -> &'static str {
                match self { $(ErrorCode::$variant => $message,)* }
            }

            /// The status of an answer to a request with `Pinot-Use-Http-Status-For-Errors: true`; else it is 200.
            pub fn http_status(self) -> u16 {
                match self { $(ErrorCode::$variant => $status,)* }
            }

            /// The code with this number; clients treat an unknown one as `UNKNOWN`.
            pub fn from_code(code: i32) -> Option<ErrorCode> {
                match code { $($code => Some(ErrorCode::$variant),)* _ => None }
            }
        }
    };
}

codes! {
    /// The request's body is not what it should be, for example without `sql`.
    JsonParsing = 100, "JSON_PARSING", "JsonParsingError", 400;
    /// The text is not SQL.
    SqlParsing = 150, "SQL_PARSING", "SQLParsingError", 400;
    TimeseriesParsing = 155, "TIMESERIES_PARSING", "TimeseriesParsingError", 400;
    SqlRuntime = 160, "SQL_RUNTIME", "SQLRuntimeError", 500;
    AccessDenied = 180, "ACCESS_DENIED", "AccessDenied", 403;
    TableDoesNotExist = 190, "TABLE_DOES_NOT_EXIST", "TableDoesNotExistError", 404;
    TableIsDisabled = 191, "TABLE_IS_DISABLED", "TableIsDisabledError", 404;
    /// The data does not allow it: a division by zero, an overflow, a text that is no number.
    QueryExecution = 200, "QUERY_EXECUTION", "QueryExecutionError", 500;
    ServerShuttingDown = 210, "SERVER_SHUTTING_DOWN", "ServerShuttingDown", 503;
    ServerOutOfCapacity = 211, "SERVER_OUT_OF_CAPACITY", "ServerOutOfCapacity", 503;
    ServerTableMissing = 230, "SERVER_TABLE_MISSING", "ServerTableMissing", 404;
    ServerSegmentMissing = 235, "SERVER_SEGMENT_MISSING", "ServerSegmentMissing", 404;
    QuerySchedulingTimeout = 240, "QUERY_SCHEDULING_TIMEOUT", "QuerySchedulingTimeoutError", 408;
    ServerResourceLimitExceeded = 245, "SERVER_RESOURCE_LIMIT_EXCEEDED", "ServerResourceLimitExceededError", 503;
    QueryScanLimitExceeded = 246, "QUERY_SCAN_LIMIT_EXCEEDED", "QueryScanLimitExceededError", 503;
    ExecutionTimeout = 250, "EXECUTION_TIMEOUT", "ExecutionTimeoutError", 408;
    BrokerSegmentUnavailable = 305, "BROKER_SEGMENT_UNAVAILABLE", "", 503;
    BrokerTimeout = 400, "BROKER_TIMEOUT", "BrokerTimeoutError", 408;
    BrokerResourceMissing = 410, "BROKER_RESOURCE_MISSING", "BrokerResourceMissingError", 503;
    BrokerInstanceMissing = 420, "BROKER_INSTANCE_MISSING", "BrokerInstanceMissingError", 503;
    BrokerRequestSend = 425, "BROKER_REQUEST_SEND", "BrokerRequestSend", 503;
    ServerNotResponding = 427, "SERVER_NOT_RESPONDING", "ServerNotResponding", 503;
    TooManyRequests = 429, "TOO_MANY_REQUESTS", "TooManyRequests", 429;
    Internal = 450, "INTERNAL", "InternalError", 500;
    MergeResponse = 500, "MERGE_RESPONSE", "MergeResponseError", 500;
    QueryCancellation = 503, "QUERY_CANCELLATION", "QueryCancellationError", 503;
    /// The SQL is well formed and cannot be meant, for example a comparison of a number with an array.
    QueryValidation = 700, "QUERY_VALIDATION", "QueryValidationError", 400;
    UnknownColumn = 710, "UNKNOWN_COLUMN", "UnknownColumnError", 400;
    QueryPlanning = 720, "QUERY_PLANNING", "QueryPlanningError", 400;
    Unknown = 1000, "UNKNOWN", "UnknownError", 500;
}

impl ErrorCode {
    /// The fault lies in the request, so that sending it again to another broker is of no use.
    pub fn is_client_error(self) -> bool {
        use ErrorCode::*;
        matches!(
            self,
            AccessDenied
                | JsonParsing
                | QueryCancellation
                | QueryValidation
                | ServerOutOfCapacity
                | ServerResourceLimitExceeded
                | SqlParsing
                | TooManyRequests
                | TableDoesNotExist
                | TableIsDisabled
                | UnknownColumn
        )
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name(), self.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_unique_and_found_again() {
        for window in ErrorCode::ALL.windows(2) {
            assert!(window[0].code() < window[1].code(), "{} {}", window[0], window[1]);
        }
        for code in ErrorCode::ALL {
            assert_eq!(ErrorCode::from_code(code.code()), Some(*code));
            assert!((400..600).contains(&code.http_status()));
        }
        assert_eq!(ErrorCode::from_code(1), None);
        assert_eq!(ErrorCode::UnknownColumn.to_string(), "UNKNOWN_COLUMN (710)");
    }
}
