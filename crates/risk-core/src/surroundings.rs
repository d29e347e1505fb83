//! Surroundings risk: is the terminal among the devices that it usually has around it at this time?
