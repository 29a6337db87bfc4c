"""The demo: the main job, played on real parts, and every expectation of the story checked."""
