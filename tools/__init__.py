"""Steps of the build and of the checks that no library has."""
