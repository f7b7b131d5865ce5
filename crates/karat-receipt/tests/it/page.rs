//! The example on the page docs/receipts.md is made here.
