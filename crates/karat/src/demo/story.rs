//! stub
/// x
#[derive(Debug)]
pub struct DemoOutcome;
/// x
#[derive(Debug)]
pub struct Fact;
pub(crate) fn tell(_: &super::DemoOptions) -> Result<DemoOutcome, super::DemoError> {
    Ok(DemoOutcome)
}
