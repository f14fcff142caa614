//! Text in the forms of `/proc`, one file for each form.
