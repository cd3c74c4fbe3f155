//! A gateway that breaks the rules.
