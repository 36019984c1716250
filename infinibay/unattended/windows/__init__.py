"""Windows 10 and 11: `autounattend.xml` and the one script that finishes the installation."""
