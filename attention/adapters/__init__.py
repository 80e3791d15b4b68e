"""Our backends and caches inside other libraries' models; each file imports its library when it is called."""
