@echo off
rem Finds any Python from 3.8 on and hands over to launch.py.
setlocal DisableDelayedExpansion
rem Python heeds this one even where -E tells it to ignore the variables of other environments.
set "PYTHONEXECUTABLE="
for %%P in ("py -3" python python3) do (
    rem The Store's stand-in for Python fails here too, as a missing one does.
    %%~P -E -c "import sys; sys.exit(sys.version_info < (3, 8))" >nul 2>nul
    if not errorlevel 1 (
        set "PYTHON=%%~P"
        goto found
    )
)
echo Easel needs Python 3.8 or newer to begin. Install it from python.org and start Easel again.
pause
exit /b 1

:found
%PYTHON% -E "%~dp0launch.py" %*
set "CODE=%ERRORLEVEL%"
if not "%CODE%"=="0" pause
exit /b %CODE%
