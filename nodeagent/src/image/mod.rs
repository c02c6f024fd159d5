//! Images of containers: names, pull policies, bounded pulls.

pub mod fetch;
pub mod reference;

pub use fetch::ImageFetcher;
