//! perceptis-sandbox
fn main() {}
