//! HTTPS for kubectl, helm and client libraries: turns HTTP into requests on the bus, and watches into streams.
#![forbid(unsafe_code)]
