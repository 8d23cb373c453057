pub(crate) mod judge;
