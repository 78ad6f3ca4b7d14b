//! The catalog against a naive model, against crashes and damage of its disk, and against a log of an earlier version.

mod crash;
mod damage;
mod faulty_disk;
mod golden;
mod group;
mod log_life;
mod model;
mod push;
mod support;
