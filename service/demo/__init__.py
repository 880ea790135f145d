"""The demonstration: an invented hospital network, and the search for anything of it that gets out."""
