"""Parts of the pages that are made from the code: commands, settings, exit codes, public names."""
