"""What starts several training processes, watches them and takes over their result."""
