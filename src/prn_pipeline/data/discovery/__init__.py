"""What a folder holds -> the block of settings that reads it as a data set: `prn init`."""
