//! Driving risk: does the car that pays drive like its owner?
